"""EDGE: Admin's calls about the properties of topics and brokers.

A broker's own properties are asked of that broker; all else of any.
Tests: tests/system/client/test_client_administer.py
"""

from __future__ import annotations

from collections.abc import Mapping

from ...protocol.acls import AclOperation
from ...protocol.configs import AlterOperation, ConfigSource, ConfigType, ResourceType
from ...protocol.messages.describe_configs import (
    DESCRIBE_CONFIGS,
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
)
from ...protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from ..cluster.connection import Connection
from ..cluster.coordinator import version_max
from ..door import door
from .asking import Asking, check
from .results import ConfigEntry, ConfigResource, ConfigSynonym

TYPE_MAX = 127
DOCUMENTATION_SINCE = 3  # of DescribeConfigs
SOURCES = {each.value: each for each in ConfigSource}
TYPES = {each.value: each for each in ConfigType}


class Configs:
    """Properties of topics and brokers."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def describe_configs(
        self, resource: ConfigResource, *, include_synonyms: bool, include_documentation: bool
    ) -> dict[str, ConfigEntry]:
        """Every property in force, by name. Raises Fatal if there is no such resource."""
        _examine(resource)
        door.flag("include_synonyms", include_synonyms)
        door.flag("include_documentation", include_documentation)
        wanted = DescribeConfigsResource(
            resource_type=resource.type_id, resource_name=resource.name
        )

        async def ask() -> dict[str, ConfigEntry]:
            connection = await self._keeper_of(resource)
            version = version_max(connection, DESCRIBE_CONFIGS.key)
            request = DescribeConfigsRequest(
                resources=[wanted],
                include_synonyms=include_synonyms,
                include_documentation=include_documentation and version >= DOCUMENTATION_SINCE,
            )
            answer: DescribeConfigsResponse = await self._asking.request(connection, request)
            (result,) = answer.results
            needed = AclOperation.DESCRIBE_CONFIGS
            check(result.error_code, _name_of(resource), result.error_message, needed)
            return {each.name: _config_entry(each) for each in result.configs}

        return await self._asking.persist(
            f"describe the configuration of {_name_of(resource)}", ask
        )

    async def alter_configs(
        self, resource: ConfigResource, changes: Mapping[str, str | None]
    ) -> None:
        """Set properties, or take their default again where the value is None; all or none."""
        _examine(resource)
        wanted = door.properties("changes", changes)
        altered = AlterConfigsResource(
            resource_type=resource.type_id,
            resource_name=resource.name,
            configs=[
                AlterableConfig(
                    name=name,
                    config_operation=AlterOperation.DELETE if value is None else AlterOperation.SET,
                    value=value,
                )
                for name, value in wanted.items()
            ],
        )
        request = IncrementalAlterConfigsRequest(resources=[altered], validate_only=False)

        async def ask() -> None:
            answer: IncrementalAlterConfigsResponse = await self._asking.request(
                await self._keeper_of(resource), request
            )
            (result,) = answer.responses
            needed = AclOperation.ALTER_CONFIGS
            check(result.error_code, _name_of(resource), result.error_message, needed)

        await self._asking.persist(f"alter the configuration of {_name_of(resource)}", ask)

    async def _keeper_of(self, resource: ConfigResource) -> Connection:
        if resource.type_id == ResourceType.BROKER and resource.name:
            return await self._asking.node(int(resource.name))
        return await self._asking.anywhere()


def _examine(resource: ConfigResource) -> None:
    door.instance("resource", resource, ConfigResource)
    door.whole("the type_id of resource", resource.type_id, 0, TYPE_MAX)
    name = door.text("the name of resource", resource.name)
    if (
        resource.type_id == ResourceType.BROKER
        and name
        and not (name.isascii() and name.isdecimal())
    ):
        raise ValueError(f"the name of resource is {name!r}: a broker is named by its node id")


def _name_of(resource: ConfigResource) -> str:
    return resource.name or "all brokers"


def _config_entry(config: DescribeConfigsResourceResult) -> ConfigEntry:
    return ConfigEntry(
        name=config.name,
        value=config.value,
        source=SOURCES.get(config.config_source, ConfigSource.UNKNOWN),
        is_read_only=config.read_only,
        is_sensitive=config.is_sensitive,
        documentation=config.documentation,
        synonyms=tuple(
            ConfigSynonym(each.name, each.value, SOURCES.get(each.source, ConfigSource.UNKNOWN))
            for each in config.synonyms
        ),
        type=TYPES.get(config.config_type, ConfigType.UNKNOWN),
    )
