"""What is made: products, recipes with their set-points and specifications, and the rolls they were used on."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from .plant import Equipment, Line, Named
from .version import VersionState


class Product(Named):
    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="product_key")]


class Recipe(models.Model):
    """One version of how a line makes a product.

    ``content`` is ``{"set_points": {"<equipment>.<tag>": value}, "specs": {"<equipment>.<characteristic>":
    {"lower", "target", "upper"}}}`` in the units of the tags and characteristics. A lane with a specification of its
    own has it under ``<equipment>.<characteristic>/<lane>``.
    """

    line = models.ForeignKey(Line, models.PROTECT, related_name="recipes")
    product = models.ForeignKey(Product, models.PROTECT, related_name="recipes")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=16, choices=VersionState, default=VersionState.DRAFT)
    content = models.JSONField()
    effective_from = models.DateTimeField(null=True, blank=True)
    effective_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["line", "product", "number"], name="recipe_number"),
            models.UniqueConstraint(fields=["line"], condition=Q(state=VersionState.ACTIVE), name="recipe_one_active"),
        ]

    def __str__(self) -> str:
        return f"{self.product} v{self.number}"

    def set_point(self, equipment_key: str, tag_key: str) -> float | None:
        return self.content["set_points"].get(f"{equipment_key}.{tag_key}")

    def spec(self, equipment_key: str, characteristic_key: str) -> dict[str, float | None] | None:
        return self.content["specs"].get(f"{equipment_key}.{characteristic_key}")

    def stream_spec(self, equipment_key: str, stream_key: str) -> dict[str, float | None] | None:
        """The lane's own specification, else the one its characteristic has in every lane."""
        own = self.content["specs"].get(f"{equipment_key}.{stream_key}")
        return own or self.spec(equipment_key, stream_key.partition("/")[0])


class Roll(models.Model):
    """A roll of foil through one machine. ``number`` is the machine's own counter; ``lot`` the slurry or parent lot."""

    equipment = models.ForeignKey(Equipment, models.PROTECT, related_name="rolls")
    number = models.BigIntegerField()
    lot = models.CharField(max_length=64, blank=True)
    recipe = models.ForeignKey(Recipe, models.PROTECT, null=True, related_name="rolls")
    started_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["equipment", "number"], name="roll_number")]
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return str(self.number)
