"""Who is in the team, and as what."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultiple

from ccagent.admin_base import ModelAdmin, ReadOnly

if TYPE_CHECKING:
    from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
else:
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

admin.site.unregister(User)
admin.site.unregister(Group)

if TYPE_CHECKING:
    _UserAdmin = DjangoUserAdmin[User]
else:
    _UserAdmin = DjangoUserAdmin

ABOUT_ROLES = _(
    "A viewer sees numbers and documents, but no conversations. An operator also reads conversations, takes over and "
    "writes documents. An owner may do everything: prompts, tools, the team, exports and deletions."
)
_ACCOUNT = (None, {"fields": ("username", "password")})
_PERSON = (_("Person"), {"fields": ("first_name", "last_name", "email")})
_ROLE = (_("Role"), {"fields": ("groups", "is_active")})
_MORE = (_("Beyond the roles"), {"classes": ("collapse",), "fields": ("is_superuser", "user_permissions")})
_DATES = (_("Dates"), {"fields": ("last_login", "date_joined")})


@admin.register(User)
class TeamAdmin(_UserAdmin, ModelAdmin[User]):
    """Everybody here may log in to the admin: people who chat have no account."""

    form = UserChangeForm  # type: ignore[assignment]
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "roles", "is_active", "last_login"]
    list_filter = ["groups", "is_active"]
    readonly_fields = ["last_login", "date_joined"]
    filter_horizontal = ()

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description=_("role"))
    def roles(self, user: User) -> str:
        names = [group.name for group in user.groups.all()]
        return ", ".join(names) or (str(_("all rights")) if user.is_superuser else "-")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("username", "email", "password1", "password2", "groups")})]
        more = [_MORE] if request.user.is_superuser else []
        return [_ACCOUNT, _PERSON, _ROLE, *more, _DATES]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            kwargs["widget"] = UnfoldAdminCheckboxSelectMultiple()
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None and db_field.name == "groups":
            field.label, field.help_text = _("Roles"), ABOUT_ROLES
            # Without the link to a page for another one: there are three.
            field.widget.can_add_related = field.widget.can_change_related = False
        return field

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _reaches(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _reaches(request, obj)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        obj.is_staff = True
        super().save_model(request, obj, form, change)


def _reaches(request: HttpRequest, user: User | None) -> bool:
    """An owner makes no superuser, and does not become one by a superuser's new password."""
    return request.user.is_superuser or user is None or not user.is_superuser


@admin.register(Group)
class RoleAdmin(ReadOnly, DjangoGroupAdmin, ModelAdmin[Group]):
    """What each role may do is the project's to say, in `operators.roles`; who has it is said in the team."""

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:  # noqa: ARG002
        return False
