"""``python -m firn_snowflake``: start the stand-in with the settings of the environment."""

from __future__ import annotations

import os
import sys

from firn_snowflake.server import main
from firn_snowflake.settings import Settings, SettingsError

if __name__ == "__main__":
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        print(f"firn_snowflake: {error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(main(settings))
