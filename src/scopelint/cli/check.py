"""`scopelint check`: findings of files and directories as text and an exit code."""

from __future__ import annotations

from typing import Unpack

import click

from scopelint.cli import accepting
from scopelint.cli.accepting import Command, accept_options
from scopelint.cli.checking import checked, cores, format_of, is_json, write_report
from scopelint.cli.fixing import Wishes, fix, fix_options
from scopelint.cli.options import ProjectOptions, config_of, project_options, words
from scopelint.cli.terminal import CLEAN, FOUND, write
from scopelint.config import Color, Config, OutputFormat


class CheckOptions(ProjectOptions):
    """What the options of this command give beside those, under the names of its parameters."""

    output_format: str | None
    output_file: str | None
    statistics: bool
    color: str
    quiet: bool
    verbose: bool
    exit_zero: bool
    show_files: bool
    show_settings: bool
    jobs: int | None
    no_cache: bool
    cache_dir: str | None
    no_prescan: bool
    add_ignore: str | None
    baseline: str | None
    write_baseline: str | None


@click.command("check", cls=Command)
@project_options
@click.option(
    "--output-format",
    type=click.Choice([choice.value for choice in OutputFormat]),
    envvar="SCOPELINT_OUTPUT_FORMAT",
    help="How to write findings.  [default: full on a terminal, else concise]",
)
@click.option(
    "--color",
    type=click.Choice([choice.value for choice in Color]),
    default=Color.AUTO.value,
    help="Whether to use colours.  [default: auto]",
)
@click.option("-q", "--quiet", is_flag=True, help="Print findings and nothing else.")
@click.option("-v", "--verbose", is_flag=True, help="Say what was checked, and how long it took.")
@click.option(
    "-o",
    "--output-file",
    type=click.Path(),
    metavar="FILE",
    help="Write findings to a file, not to standard output.",
)
@click.option("--statistics", is_flag=True, help="Show how many findings each rule has.")
@click.option("-e", "--exit-zero", is_flag=True, help="Exit with 0 even when there are findings.")
@click.option("--show-files", is_flag=True, help="List the files that would be checked.")
@click.option("--show-settings", is_flag=True, help="Show what holds, and where it comes from.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many processes may read files and projects.  [default: one for each core]",
)
@click.option(
    "-n", "--no-cache", is_flag=True, envvar="SCOPELINT_NO_CACHE", help="Keep and use no cache."
)
@click.option(
    "--cache-dir",
    type=click.Path(file_okay=False),
    metavar="DIR",
    envvar="SCOPELINT_CACHE_DIR",
    help="Where to keep the cache.  [default: .scopelint_cache in the project]",
)
@click.option("--no-prescan", is_flag=True, help="Analyze every file: slower, same findings.")
@accept_options
@fix_options
def command(wishes: Wishes, **options: Unpack[CheckOptions]) -> int:
    """Check files and directories, by default the working directory.

    RULES are codes, prefixes of codes, names or ALL, separated by commas; the more specific
    selector wins. `scopelint rule --all` tells what there is.
    """
    config = _config(options, wishes)
    if options["show_files"] or options["show_settings"]:
        write((_files if options["show_files"] else _settings)(config))
        return CLEAN
    config = config._replace(output_format=format_of(options["output_format"], config))
    if config.statistics and not (config.output_format.is_for_people or is_json(config)):
        raise click.UsageError("--statistics has the formats full, concise, grouped and json.")
    add_ignore, write_baseline = options["add_ignore"], options["write_baseline"]
    if wishes.are_any and (add_ignore is not None or write_baseline is not None):
        raise click.UsageError("Fix first, then accept what is left with a run of its own.")
    if add_ignore is not None:
        return accepting.add_comments(config, add_ignore)
    if write_baseline is not None and config.baseline is None:
        return accepting.record(config, write_baseline)
    if wishes.are_any:
        code = fix(config, wishes, lambda done: write_report(done.report, config))
    else:
        code = checked(config, write_baseline)
    return CLEAN if options["exit_zero"] and code == FOUND else code


def _config(options: CheckOptions, wishes: Wishes) -> Config:
    config = config_of(options)
    more = {
        "fixable": words(wishes.fixable),
        "unfixable": words(wishes.unfixable),
        "cache-dir": options["cache_dir"],
    }
    return config._replace(
        output_file=options["output_file"],
        statistics=options["statistics"],
        color=Color(options["color"]),
        quiet=options["quiet"],
        verbose=options["verbose"],
        prescan=not options["no_prescan"],
        baseline=options["baseline"],
        overrides={**config.overrides, **{name: value for name, value in more.items() if value}},
        is_cached=not options["no_cache"],
        jobs=options["jobs"] or cores(),
    )


def _settings(config: Config) -> str:
    from scopelint.cli.settings import settings_shown

    return settings_shown(config)


def _files(config: Config) -> str:
    from scopelint import pipeline

    return "".join(f"{path}\n" for path in pipeline.files_of(config))
