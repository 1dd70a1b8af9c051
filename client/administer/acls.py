"""EDGE: Admin's calls about rules of access (KIP-140).

Source: KafkaAdminClient.java, AclBinding.java, AclBindingFilter.java.
Tests: tests/system/rights/test_client_access.py
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ...protocol.acls import AclOperation, AclPermission, AclResourceType, PatternType
from ..door import door
from .acl_bindings import AclBinding, AclBindingFilter, known
from .asking import Asking, check

if TYPE_CHECKING:
    from ...protocol.messages.create_acls import CreateAclsResponse
    from ...protocol.messages.delete_acls import DeleteAclsResponse
    from ...protocol.messages.describe_acls import DescribeAclsResponse


class Acls:
    """Rules of access."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def create(self, acls: Iterable[AclBinding]) -> None:
        """Add rules; one that is there already changes nothing."""
        from ...protocol.messages.create_acls import AclCreation, CreateAclsRequest

        wanted = [
            door.instance("each of acls", each, AclBinding) for each in door.listed("acls", acls)
        ]
        for each in wanted:
            AclBindingFilter.of(each)  # UNKNOWN, as a broker may have told it, cannot be sent
        creations = [
            AclCreation(
                resource_type=each.resource_type,
                resource_name=each.resource_name,
                resource_pattern_type=each.pattern_type,
                principal=each.principal,
                host=each.host,
                operation=each.operation,
                permission_type=each.permission,
            )
            for each in wanted
        ]

        async def ask() -> None:
            answer: CreateAclsResponse = await self._asking.request(
                await self._asking.controller(), CreateAclsRequest(creations=creations)
            )
            for acl, result in zip(wanted, answer.results, strict=True):
                check(result.error_code, str(acl), result.error_message, AclOperation.ALTER)

        await self._asking.persist("create rules of access", ask)

    async def describe(self, wanted: AclBindingFilter) -> list[AclBinding]:
        """The rules that a filter means, in order."""
        from ...protocol.messages.describe_acls import DescribeAclsRequest

        request = DescribeAclsRequest(**_fields("wanted", wanted))

        async def ask() -> list[AclBinding]:
            answer: DescribeAclsResponse = await self._asking.request(
                await self._asking.anywhere(), request
            )
            check(answer.error_code, "rules of access", answer.error_message, AclOperation.DESCRIBE)
            return _sorted(
                _binding(each, resource) for resource in answer.resources for each in resource.acls
            )

        return await self._asking.persist("describe rules of access", ask)

    async def delete(self, filters: Iterable[AclBindingFilter]) -> list[AclBinding]:
        """Delete the rules that these filters mean; returns them, in order."""
        from ...protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest

        given = door.listed("filters", filters)
        request = DeleteAclsRequest(
            filters=[DeleteAclsFilter(**_fields("each of filters", each)) for each in given]
        )
        deleted: set[AclBinding] = set()

        async def ask() -> None:
            answer: DeleteAclsResponse = await self._asking.request(
                await self._asking.controller(), request
            )
            if len(answer.filter_results) != len(given):
                raise LookupError(f"{len(answer.filter_results)} results for {len(given)} filters")
            what = "delete rules of access"
            for result in answer.filter_results:
                check(result.error_code, what, result.error_message, AclOperation.ALTER)
                for each in result.matching_acls:
                    check(each.error_code, what, each.error_message, AclOperation.ALTER)
                    deleted.add(_binding(each, each))

        await self._asking.persist("delete rules of access", ask)
        return _sorted(deleted)


def _fields(name: str, wanted: AclBindingFilter) -> dict[str, Any]:
    door.instance(name, wanted, AclBindingFilter)
    return {
        "resource_type_filter": wanted.resource_type,
        "resource_name_filter": wanted.resource_name,
        "pattern_type_filter": wanted.pattern_type,
        "principal_filter": wanted.principal,
        "host_filter": wanted.host,
        "operation": wanted.operation,
        "permission_type": wanted.permission,
    }


def _binding(acl: Any, resource: Any) -> AclBinding:
    """A rule as an answer tells it: what it says, and what it is about."""
    return AclBinding(
        known(AclResourceType, resource.resource_type),
        resource.resource_name,
        acl.principal,
        known(AclOperation, acl.operation),
        known(AclPermission, acl.permission_type),
        acl.host,
        known(PatternType, resource.pattern_type),
    )


def _sorted(acls: Iterable[AclBinding]) -> list[AclBinding]:
    return sorted(
        acls,
        key=lambda each: (
            each.resource_type,
            each.resource_name,
            each.pattern_type,
            each.principal,
            each.host,
            each.permission,
            each.operation,
        ),
    )
