"""The command line: plan, train, tune, evaluate, predict, classify, runs, news, make.

With --json, standard output is exactly one JSON value and everything else goes to standard error. Exit status 0: fine; 2: the
user's mistake, told in a sentence; 130: interrupted. Nothing heavy is imported before a command runs, so that --help is
instant.
"""

import os
import sys
from collections.abc import Sequence

import click

from agnews_core import __version__
from agnews_core.cli.classify import classify
from agnews_core.cli.evaluate import evaluate
from agnews_core.cli.launch import check_alone
from agnews_core.cli.listing import runs
from agnews_core.cli.make import make
from agnews_core.cli.news import news
from agnews_core.cli.output import EXIT_INTERRUPTED, EXIT_MISTAKE
from agnews_core.cli.plan import plan
from agnews_core.cli.predict import predict
from agnews_core.cli.train import train
from agnews_core.cli.tune import tune
from agnews_core.errors import AgNewsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    try:
        result = commands.main(args=arguments, prog_name="python -m agnews_core", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return EXIT_MISTAKE
    except click.ClickException as error:
        return _fail(error.format_message())
    except AgNewsError as error:
        return _fail(str(error))
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def _fail(message: str) -> int:
    click.echo(f"Error: {message}", err=True)
    return EXIT_MISTAKE


@click.group(
    commands=[plan, train, tune, evaluate, predict, classify, runs, news, make],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="agnews_core")
@click.pass_context
def commands(context: click.Context) -> None:
    """Fine-tune BERT-family models with LoRA on AG News, evaluate them, and classify news with them."""
    check_alone(context.invoked_subcommand or "")
