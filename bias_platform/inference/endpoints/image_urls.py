"""Pictures as data URLs, the way chat completions take them."""

import base64
from collections import OrderedDict

from bias_platform.inference.endpoints.request_outcomes import CellFailed
from bias_platform.inference.engines.base import Failure, Image


class ImageUrls:
    """Reads and encodes each picture once, as long as it is among the last ones used.

    Args:
        most_bytes: of encoded pictures that are kept; one larger than that is not.
    """

    def __init__(self, most_bytes: int = 64 << 20) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[bytes, str] = OrderedDict()
        self._bytes = 0
        self.read_files = 0
        """how often a file was read"""

    def url(self, image: Image) -> str:
        """The picture as `data:<media type>;base64,...`.

        Raises:
            CellFailed: it cannot be read now.
        """
        known = self._kept.get(image.digest)
        if known is not None:
            self._kept.move_to_end(image.digest)
            return known
        try:
            content = image.path.read_bytes()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise CellFailed(Failure(f"picture cannot be read: {image.path.name}, {reason}", transient=True)) from error
        self.read_files += 1
        url = f"data:{image.media_type};base64,{base64.b64encode(content).decode('ascii')}"
        self._keep(image.digest, url)
        return url

    def _keep(self, digest: bytes, url: str) -> None:
        self._kept[digest] = url
        self._bytes += len(url)
        while self._bytes > self._most_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped)
