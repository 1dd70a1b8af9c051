"""AlterUserScramCredentials (key 51), v0–v0.
Source: AlterUserScramCredentialsRequest.json, AlterUserScramCredentialsResponse.json; KIP-554.

v0 flexible. A password is never sent: the client salts and iterates it (protocol/sasl/scram.py).
What it makes of it opens the account all the same, and stands in no repr.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bytes,
    Int8,
    Int16,
    Int32,
    NullableString,
    String,
    request,
    response,
    struct,
    wire,
)

ALTER_USER_SCRAM_CREDENTIALS = APIS[51]


@struct
class ScramCredentialDeletion:
    name: str = wire(String)
    mechanism: int = wire(Int8)


@struct
class ScramCredentialUpsertion:
    name: str = wire(String)
    mechanism: int = wire(Int8)
    iterations: int = wire(Int32)
    salt: bytes = wire(Bytes)
    salted_password: bytes = wire(Bytes)

    def __repr__(self) -> str:
        return f"ScramCredentialUpsertion({self.name!r}, mechanism {self.mechanism})"


@request(ALTER_USER_SCRAM_CREDENTIALS)
class AlterUserScramCredentialsRequest:
    deletions: list[ScramCredentialDeletion] = wire(ArrayOf(ScramCredentialDeletion))
    upsertions: list[ScramCredentialUpsertion] = wire(ArrayOf(ScramCredentialUpsertion))


@struct
class AlterUserScramCredentialsResult:
    user: str = wire(String)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)


@response(ALTER_USER_SCRAM_CREDENTIALS)
class AlterUserScramCredentialsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    results: list[AlterUserScramCredentialsResult] = wire(ArrayOf(AlterUserScramCredentialsResult))
