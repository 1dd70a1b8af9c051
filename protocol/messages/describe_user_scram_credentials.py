"""DescribeUserScramCredentials (key 50), v0–v0.
Source: DescribeUserScramCredentialsRequest.json,
DescribeUserScramCredentialsResponse.json; KIP-554.

v0 flexible. Null or no `users` asks for all.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Int8,
    Int16,
    Int32,
    NullableArrayOf,
    NullableString,
    String,
    request,
    response,
    struct,
    wire,
)

DESCRIBE_USER_SCRAM_CREDENTIALS = APIS[50]


@struct
class UserName:
    name: str = wire(String)


@request(DESCRIBE_USER_SCRAM_CREDENTIALS)
class DescribeUserScramCredentialsRequest:
    users: list[UserName] | None = wire(NullableArrayOf(UserName))


@struct
class CredentialInfo:
    mechanism: int = wire(Int8)
    iterations: int = wire(Int32)


@struct
class DescribeUserScramCredentialsResult:
    user: str = wire(String)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)
    credential_infos: list[CredentialInfo] = wire(ArrayOf(CredentialInfo))


@response(DESCRIBE_USER_SCRAM_CREDENTIALS)
class DescribeUserScramCredentialsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)
    results: list[DescribeUserScramCredentialsResult] = wire(
        ArrayOf(DescribeUserScramCredentialsResult)
    )
