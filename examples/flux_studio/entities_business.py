"""What Flux Studio offers, is asked for, works and bills, and the portfolios it shows."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from fluxstore import entity, field

CURRENCY = r"^[A-Z][A-Z][A-Z]$"


@entity("service_packages", unique=[("organization_id", "slug")])
class ServicePackage:
    """Work that an organization offers at a price."""

    id: str
    organization_id: str = field(references="organizations", on_delete="cascade")
    name: str
    slug: str
    description: str | None = None
    price: Decimal = field(minimum=0)
    currency: str = field(default="USD", pattern=CURRENCY)
    delivery_days: int | None = field(default=None, minimum=0)
    tags: list[str] = field(factory=list)
    is_active: bool = True
    metadata: dict[str, Any] = field(factory=dict)
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("client_requests")
class ClientRequest:
    """What a client asks for, before it is a project."""

    id: str
    client_id: str = field(references="users", on_delete="cascade", index=True)
    service_package_id: str | None = field(
        default=None, references="service_packages", on_delete="set_null", index=True
    )
    project_id: str | None = field(
        default=None, references="projects", on_delete="set_null", index=True
    )
    title: str
    description: str | None = None
    status: Literal["new", "quoted", "accepted", "declined", "completed"] = "new"
    priority: Literal["low", "medium", "high", "critical"] = "medium"
    budget: Decimal | None = field(default=None, minimum=0)
    deadline: datetime | None = None
    attachments: list[dict[str, Any]] = field(factory=list)
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("invoices", unique=[("organization_id", "invoice_number")])
class Invoice:
    """What a client owes; whom it names cannot be deleted."""

    id: str
    organization_id: str = field(references="organizations", on_delete="restrict")
    client_id: str = field(references="users", on_delete="restrict", index=True)
    project_id: str | None = field(
        default=None, references="projects", on_delete="set_null", index=True
    )
    invoice_number: str
    status: Literal["draft", "sent", "paid", "overdue", "cancelled"] = "draft"
    currency: str = field(default="USD", pattern=CURRENCY)
    total: Decimal = field(minimum=0)
    line_items: list[dict[str, Any]] = field(factory=list)
    issue_date: date | None = None
    due_date: date | None = None
    paid_at: datetime | None = None
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("time_entries")
class TimeEntry:
    """Time that a user worked; a user with hours cannot be deleted."""

    id: str
    user_id: str = field(references="users", on_delete="restrict", index=True)
    project_id: str = field(references="projects", on_delete="cascade", index=True)
    task_id: str | None = field(default=None, references="tasks", on_delete="set_null", index=True)
    description: str | None = None
    started_at: datetime
    duration_minutes: int = field(default=0, minimum=0)
    hourly_rate: Decimal | None = field(default=None, minimum=0)
    is_billable: bool = True
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("portfolios", unique=[("user_id", "slug")])
class Portfolio:
    """Finished work that a user shows."""

    id: str
    user_id: str = field(references="users", on_delete="cascade")
    title: str
    slug: str
    description: str | None = None
    is_public: bool = False
    settings: dict[str, Any] = field(factory=dict)
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("portfolio_items")
class PortfolioItem:
    """One piece in a portfolio."""

    id: str
    portfolio_id: str = field(references="portfolios", on_delete="cascade", index=True)
    project_id: str | None = field(
        default=None, references="projects", on_delete="set_null", index=True
    )
    title: str
    description: str | None = None
    image_url: str | None = None
    tags: list[str] = field(factory=list)
    position: int = field(default=0, minimum=0)
    metadata: dict[str, Any] = field(factory=dict)
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")
