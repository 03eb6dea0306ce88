from django import template

from chat.checks import provider_problem

register = template.Library()
register.simple_tag(provider_problem)
