"""The admin's site: Unfold's, under the agent's name."""

from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite as UnfoldAdminSite
else:
    from unfold.sites import UnfoldAdminSite


class OperatorsSite(UnfoldAdminSite):
    site_header = site_title = settings.APP_NAME
    site_url = None
