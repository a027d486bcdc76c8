"""The command line as a person types it, within this process."""

from pathlib import Path

from agnews_core.cli import main

PROJECT = Path(__file__).parents[2]


def run_command(capsys, *arguments) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def fails(capsys, *arguments) -> str:
    """Run a command that must end with exit status 2 and one line on standard error; return the line."""
    status, out, err = run_command(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert "Traceback" not in err
    last = err.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    return last


def list_flags(settings: dict) -> list[str]:
    return [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]
