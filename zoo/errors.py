"""The one exception of the zoo: something that the person who asked can put right."""

from __future__ import annotations


class ZooError(ValueError):
    """A model, a weights file or a dataset cannot be used; one line that says why and what to do."""
