"""Feature flags by the API of OpenFeature: a provider. Install ``tidegate[openfeature]``.

The gateway has evaluated every flag for this one client, so a context that is given with a question
changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata

from tidegate.flags import Flags, is_of_kind

D = TypeVar("D")
ObjectValue = Sequence[FlagValueType] | Mapping[str, FlagValueType]


class TidegateProvider(AbstractProvider):
    """Answers from a client's flags, and counts every answer as a use of its variant."""

    def __init__(self, flags: Flags) -> None:
        super().__init__()
        self._flags = flags
        self._is_stale = False  # as OpenFeature takes a provider to be once it is set
        self._stop = flags.on_change(self._on_change)

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        """Of OpenFeature: it is in use."""
        self._is_stale = False

    def shutdown(self) -> None:
        """Of OpenFeature: it is in use no more."""
        self._stop()

    def get_metadata(self) -> Metadata:
        """Its name."""
        return Metadata(name="tidegate")

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        """The value of a boolean flag."""
        return self._resolve(flag_key, default_value)

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        """The value of a text flag."""
        return self._resolve(flag_key, default_value)

    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        """The value of a flag that is a whole number."""
        return self._resolve(flag_key, default_value)

    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        """The value of a flag that is a number."""
        return self._resolve(flag_key, default_value)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: ObjectValue,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[ObjectValue]:
        """The value of a flag that is a dictionary."""
        return self._resolve(flag_key, default_value)

    def _resolve(self, key: str, standard: D) -> FlagResolutionDetails[D]:
        flag = self._flags.get(key)
        if flag is None:
            return _failed(standard, ErrorCode.FLAG_NOT_FOUND)
        if flag.value is None and flag.reason == Reason.ERROR:
            return _failed(standard, ErrorCode.GENERAL)
        if flag.value is None:  # e.g. DISABLED
            return FlagResolutionDetails(value=standard, reason=flag.reason)
        if not is_of_kind(flag.value, standard):
            return _failed(standard, ErrorCode.TYPE_MISMATCH)
        return FlagResolutionDetails(
            value=type(standard)(flag.value) if isinstance(standard, float) else flag.value,
            variant=flag.variant,
            reason=Reason.STALE if self._flags.is_stale else flag.reason,
            flag_metadata={"version": flag.version, "age_ms": self._flags.age_ms},
        )

    def _on_change(self, changed: list[str]) -> None:
        if changed:
            self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=changed))
        is_stale = self._flags.is_stale
        if is_stale == self._is_stale:
            return
        self._is_stale = is_stale
        if is_stale:
            self.emit_provider_stale(ProviderEventDetails())
        else:
            self.emit_provider_ready(ProviderEventDetails())


def _failed(value: D, error_code: ErrorCode) -> FlagResolutionDetails[D]:
    return FlagResolutionDetails(value=value, error_code=error_code, reason=Reason.ERROR)
