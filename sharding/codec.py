"""How messages become bytes: MessagePack of tagged msgspec structs.

A `Codec` is made for one closed union of struct types. Each struct is tagged with its class name and
written as a map, so that a field with a default may be added on either side of a rolling deploy. Bytes that
are no member of the union are refused with one typed error, whatever is wrong with them.
"""

from typing import Any, Generic, TypeVar

import msgspec

M = TypeVar("M")


class UnknownMessage(ValueError):
    """These bytes are no message of this kind."""


class Codec(Generic[M]):
    """Encodes and decodes the members of one union."""

    __slots__ = ("_decoder", "_encoder")

    def __init__(self, union: Any) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[M] = msgspec.msgpack.Decoder(union)

    def encode(self, message: M) -> bytes:
        """The bytes of a message."""
        return self._encoder.encode(message)

    def decode(self, data: bytes) -> M:
        """The message that `data` holds.

        Raises:
            UnknownMessage: it holds none of this union.
        """
        try:
            return self._decoder.decode(data)
        except (msgspec.DecodeError, ValueError) as error:
            raise UnknownMessage(str(error)) from error
