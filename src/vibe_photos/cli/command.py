"""What a command is declared on: `add_command(commands)` of each module beside this one."""

import argparse
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
