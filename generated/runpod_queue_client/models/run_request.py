from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.job_input import JobInput
    from ..models.policy import Policy
    from ..models.s3_config import S3Config


T = TypeVar("T", bound="RunRequest")


@_attrs_define
class RunRequest:
    """A job to be queued. Top-level fields that are not named here are ignored.

    Attributes:
        input_ (JobInput | None | Unset):
        webhook (str | Unset): An absolute http or https URL that the service POSTs the final state to. No format is
            declared, as what the service does with
            another string is unknown.
        webhook_v2 (str | Unset): Known from the types of the official clients; what it does is unknown.
        policy (Policy | Unset): Limits of time and priority of one job
        s_3_config (S3Config | Unset): A bucket that the worker may write its results to. It is handed to the worker and
            never echoed.
    """

    input_: JobInput | None | Unset = UNSET
    webhook: str | Unset = UNSET
    webhook_v2: str | Unset = UNSET
    policy: Policy | Unset = UNSET
    s_3_config: S3Config | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.job_input import JobInput  # noqa: PLC0415

        input_: dict[str, Any] | None | Unset
        if isinstance(self.input_, Unset):
            input_ = UNSET
        elif isinstance(self.input_, JobInput):
            input_ = self.input_.to_dict()
        else:
            input_ = self.input_

        webhook = self.webhook

        webhook_v2 = self.webhook_v2

        policy: dict[str, Any] | Unset = UNSET
        if not isinstance(self.policy, Unset):
            policy = self.policy.to_dict()

        s_3_config: dict[str, Any] | Unset = UNSET
        if not isinstance(self.s_3_config, Unset):
            s_3_config = self.s_3_config.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if input_ is not UNSET:
            field_dict["input"] = input_
        if webhook is not UNSET:
            field_dict["webhook"] = webhook
        if webhook_v2 is not UNSET:
            field_dict["webhookV2"] = webhook_v2
        if policy is not UNSET:
            field_dict["policy"] = policy
        if s_3_config is not UNSET:
            field_dict["s3Config"] = s_3_config

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.job_input import JobInput  # noqa: PLC0415
        from ..models.policy import Policy  # noqa: PLC0415
        from ..models.s3_config import S3Config  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_input_(data: object) -> JobInput | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                input_type_0 = JobInput.from_dict(data)

                return input_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(JobInput | None | Unset, data)

        input_ = _parse_input_(d.pop("input", UNSET))

        webhook = d.pop("webhook", UNSET)

        webhook_v2 = d.pop("webhookV2", UNSET)

        _policy = d.pop("policy", UNSET)
        policy: Policy | Unset
        if isinstance(_policy, Unset):
            policy = UNSET
        else:
            policy = Policy.from_dict(_policy)

        _s_3_config = d.pop("s3Config", UNSET)
        s_3_config: S3Config | Unset
        if isinstance(_s_3_config, Unset):
            s_3_config = UNSET
        else:
            s_3_config = S3Config.from_dict(_s_3_config)

        run_request = cls(
            input_=input_,
            webhook=webhook,
            webhook_v2=webhook_v2,
            policy=policy,
            s_3_config=s_3_config,
        )

        run_request.additional_properties = d
        return run_request

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
