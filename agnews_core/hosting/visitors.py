"""What a visitor of the page may ask for where everybody can open it: nothing that names a folder of this machine.

On one's own machine, where only its user opens the page, any folder and any model of the hub will do.
"""

import os

from agnews_core.config import TrainConfig
from agnews_core.errors import ConfigError
from agnews_core.models.backbones import KNOWN_CONFIGS

OWN_ADDRESSES = ("", "127.0.0.1", "localhost", "::1")
OPEN_BACKBONES = ("auto", *KNOWN_CONFIGS)
OPEN_NEWS = ("auto", "hub", "sample")


def is_open_to_everybody() -> bool:
    """Tell whether others than this machine's user can open the page: on Spaces, on a network's address, or by a shared link."""
    address = os.environ.get("GRADIO_SERVER_NAME", "")
    return bool(os.environ.get("SPACE_ID")) or is_shared() or address not in OWN_ADDRESSES


def is_shared() -> bool:
    """Tell whether a link that everybody can open was asked for; none is made otherwise, as gradio would in some notebooks."""
    return os.environ.get("GRADIO_SHARE", "").lower() == "true"


def check_visitor(config: TrainConfig) -> None:
    """Refuse settings that are not for everybody: they could read this machine's folders, or fill its disk from the hub.

    Raises:
        ConfigError: The page is open to everybody, and the backbone or the news is not one of those on offer.
    """
    if not is_open_to_everybody():
        return
    for name, value, offered in (("backbone", config.backbone, OPEN_BACKBONES), ("data", config.data, OPEN_NEWS)):
        if value not in offered:
            raise ConfigError(
                f"`{name}` {value!r} is not on offer on a page that everybody can open; choose one of {', '.join(offered)}, or "
                "start the program on your own machine."
            )
