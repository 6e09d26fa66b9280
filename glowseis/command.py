"""What commands share: arguments by typer, options of those that read files, one line for bad input, exit statuses.

Exit status 0: done. 1: training cannot go on, or --keep-going left out files. 2: wrong arguments or bad input. 74:
done, but what it printed is lost. 75: stopped by a signal; run it again to continue. 130: interrupted. 143: terminated.
"""

import errno
import functools
import inspect
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from glowseis.addresses import here, local_paths
from glowseis.errors import FittingError, InputError, StoppedError
from glowseis.interruption import UsageError, check_interruption, interruptible, signals_interrupt
from glowseis.interruption import resumes as resumes  # noqa: PLC0414, commands use it as command.resumes
from glowseis.streams import Stream, lasting_streams

STARTED = time.monotonic()
"""When the command started, after Python itself."""

PARTLY, UNHEARD, INTERRUPTED, TERMINATED = 1, 74, 130, 143

FULL = r"No space left|File too large|Disk quota exceeded"
"""What TensorFlow says of a full disk, in errors of its own."""

NO_SPACE = "no space left to write; nothing half-written was kept; free some space and run it again"


Classifier = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="savedmodels/NAME for the newest version, or NAME/VERSION. Its code is run: use only models from people "
        "you trust. Default: savedmodels/robust, which comes with glowseis.",
        show_default=False,
    ),
]


def _several(what: str) -> Any:
    """The argument of a command that takes several sources."""
    return typer.Argument(metavar="SOURCE...", callback=here, help=what, show_default=False)


Files = Annotated[
    list[Path],
    _several("Files of gathers, or folders of them; also their addresses, such as s3://bucket/line12.segy."),
]
Sources = Annotated[list[Path], _several("Surveys, files of gathers, or folders of such files; also their addresses.")]
Survey = Annotated[
    Path,
    typer.Argument(metavar="SURVEY", callback=here, help="Folder of a survey, here or elsewhere.", show_default=False),
]
OwnSurvey = Annotated[Path | None, typer.Option(callback=here, help="Folder of the survey; default: the recipe's own.")]
Callbacks = Annotated[
    list[str] | None,
    typer.Option("--callback", metavar="MODULE.NAME", help="Keras callback that watches; its code is run. Repeatable."),
]
Flow = Annotated[Path | None, typer.Argument(help="savedmodels/NAME, or one of its versions; not with --onto.")]
Farthest = Annotated[
    float, typer.Option(help="How far a gather may lie from its first parent towards the other, at most 1.")
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, such as seed=2.")
]
Labels = Annotated[
    Path | None, typer.Option(callback=here, help="CSV file of labels by gather_id, file, line, shot or cable.")
]
SurveyLabels = Annotated[
    list[Path] | None,
    typer.Option(
        "--labels", callback=here, help="CSV file of labels that replace those in the survey's records; repeatable."
    ),
]
ScoredLabels = Annotated[
    list[Path] | None,
    typer.Option(
        "--labels",
        callback=here,
        help="CSV file of labels to score grades by: for files, by gather_id, file, line, shot or cable; for a survey, "
        "in place of its records' labels, and repeatable.",
    ),
]
Judge = Annotated[
    str | None,
    typer.Option("--judge", help="Whose label counts where the judges of --labels disagree: a name, or majority."),
]
Kind = Annotated[
    str | None, typer.Option("--format", help="segy, su, hdf5, numpy or pictures, regardless of file extension.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Treat warnings as errors, before anything is written.")]

GradedFit = Annotated[
    str,
    typer.Option(
        help="pad, crop or resize files to one size, as ingest does. By default gathers are graded whole, in windows.",
        show_default=False,
    ),
]
GradedSize = Annotated[
    str, typer.Option(help="Samples x traces that --fit brings files to; by default the classifier's.")
]
Prior = Annotated[
    str | None,
    typer.Option(
        help="Class fractions to expect, mildest class first, such as 66,31,2; default: those that the model assumes."
    ),
]
Batch = Annotated[int, typer.Option(min=1, help="Windows graded at a time; memory grows with it.")]
KeepGoing = Annotated[
    bool,
    typer.Option(
        "--keep-going",
        help="Leave out files that cannot be read and say why; go on with the others, and end with status 1.",
    ),
]
Scheduler = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="Dask scheduler whose workers share the work, such as tls://10.0.0.1:8786; they need the same glowseis, "
        "and the same files under the same paths.",
        show_default=False,
    ),
]
Target = Annotated[
    str,
    typer.Option(
        metavar="WINDOW",
        help="Where the signal is measured: 0.5-1.5 (seconds after the shot), 0.2-1.2@1500 (the same after the offset "
        "over this velocity, in m/s), or a CSV file. By default one second from the first arrival on.",
        show_default=False,
    ),
]
Noise = Annotated[
    str,
    typer.Option(
        metavar="WINDOW",
        help="Where the noise is measured, in the same form. By default before the first arrival.",
        show_default=False,
    ),
]
Module = Annotated[int, typer.Option(min=0, help="Channels that share electronics, for cross-feed; 0 if none do.")]

READING: dict[str, tuple[Any, Any]] = {
    "shot_header": (
        Annotated[str, typer.Option(help="Header that separates shots: name or byte number.")],
        "FieldRecord",
    ),
    "trace_header": (Annotated[str, typer.Option(help="Header of the channel: name or byte number.")], "TraceNumber"),
    "cable_header": (
        Annotated[str | None, typer.Option(help="Header that tells a shot's cables apart, if they are mixed.")],
        None,
    ),
    "line_header": (
        Annotated[str | None, typer.Option(help="Trace header of the sail line, if the file's header lacks it.")],
        None,
    ),
    "sample_format": (Annotated[str | None, typer.Option(help="ibm, ieee and so on, if the header is wrong.")], None),
    "byte_order": (
        Annotated[str | None, typer.Option(help="big or little, if it is detected wrongly.")],
        None,
    ),
    "dataset": (Annotated[str | None, typer.Option(help="Array to read from an HDF5 or .npz file.")], None),
    "axes": (Annotated[str | None, typer.Option(help="The array's axes in order, such as gather,trace,time.")], None),
    "zero_level": (
        Annotated[float | None, typer.Option(help="Number that means zero amplitude; measured by default.")],
        None,
    ),
    "sample_interval": (
        Annotated[float | None, typer.Option(help="Sample interval in milliseconds, instead of the headers'.")],
        None,
    ),
    "samples": (
        Annotated[int | None, typer.Option(min=1, help="Samples per trace, instead of the headers'.")],
        None,
    ),
    "keep_auxiliary": (
        Annotated[
            bool,
            typer.Option(
                "--keep-auxiliary", help="Keep traces whose headers mark them as time break, sweep and so on."
            ),
        ],
        False,
    ),
}
"""Options of commands that read files, with their defaults: they give what the files lack or have wrong."""


def reads_files(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Give a command function the options of `READING`.

    Args:
        function: Its parameter `options` receives them as a `glowseis.survey.formats.source.ReadOptions`.
    """

    @functools.wraps(function)
    def reading(**given: Any) -> int | None:
        from glowseis.survey.formats.source import ReadOptions

        chosen = {name: given.pop(name) for name in READING}
        interval_ms = chosen.pop("sample_interval")
        interval_s = None if interval_ms is None else interval_ms / 1e3
        return function(**given, options=ReadOptions(sample_interval_s=interval_s, **chosen))

    own = inspect.signature(function)
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [parameter for name, parameter in own.parameters.items() if name != "options"]
    parameters += [
        inspect.Parameter(name, kind, default=default, annotation=annotation)
        for name, (annotation, default) in READING.items()
    ]
    shown: Any = reading
    shown.__signature__ = own.replace(parameters=parameters)
    shown.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return reading


def run(function: Callable[..., Any], arguments: list[str] | None = None) -> NoReturn:
    """Run a command function and exit with its status.

    Args:
        function: A function with typer annotations; its docstring is the help text.
        arguments: The words after the command's name; the process's own if None.
    """
    name = f"python -m {function.__module__}" if function.__module__ != "__main__" else _module_name()
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(local_paths(function))
    run_app(app, name, name, arguments)


def run_app(app: typer.Typer, program: str, name: str, arguments: list[str] | None = None) -> NoReturn:
    """Run an application of one command or several, and exit with its status.

    Args:
        app: The application.
        program: Its name in the usage line.
        name: Its name in messages, with the subcommand that was given.
        arguments: The words after the program's name; the process's own if None.
    """
    with signals_interrupt() as came, lasting_streams() as (out, _):
        _run(app, program, name, arguments, came, out)
    raise AssertionError("a command ends by leaving the process")


def _run(
    app: typer.Typer, program: str, name: str, arguments: list[str] | None, came: list[int], out: Stream
) -> NoReturn:
    try:
        with interruptible():
            status = typer.main.get_command(app).main(args=arguments, prog_name=program, standalone_mode=False)
        # typer turns an interruption into an exit status.
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        out.flush()
        if out.wrong is not None and not isinstance(out.wrong, BrokenPipeError):
            reason = out.wrong.strerror or out.wrong
            _fail(name, f"done, and all files are complete, but standard output was cut short ({reason})", UNHEARD)
        sys.exit(status if isinstance(status, int) else 0)
    except UsageError as wrong:
        _fail(name, f"{wrong.format_message().rstrip('.')}; see {name} --help", 2)
    except InputError as wrong:
        _fail(name, str(wrong), 2)
    except FittingError as wrong:
        _fail(name, str(wrong), 1)
    except StoppedError as stop:
        _fail(name, str(stop), 75)
    except OSError as wrong:
        _fail(name, _describe(wrong), 2)
    except (KeyboardInterrupt, typer.Abort):
        if signal.SIGTERM in came:
            _fail(name, "terminated", TERMINATED)
        _fail(name, "interrupted", INTERRUPTED)
    except Exception as wrong:
        if not re.search(FULL, str(wrong)):
            raise
        _fail(name, NO_SPACE, 2)


def refuse_given(context: typer.Context, names: Iterable[str], needed: str) -> None:
    """Refuse options that were given although they have no effect.

    Args:
        context: The command's context.
        names: Names of the options' parameters.
        needed: What they go with.

    Raises:
        InputError: One was given.
    """
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise InputError(f"--{name.replace('_', '-')} goes with {needed}; leave it out")


def tell(lines: Iterable[str], left_out: Iterable[str]) -> int:
    """Print what was done, and on standard error which files were left out.

    Args:
        lines: What was done.
        left_out: A line for each file.

    Returns:
        The exit status.
    """
    reasons = list(left_out)
    for reason in reasons:
        print(reason, file=sys.stderr)
    print("\n".join(lines))
    return PARTLY if reasons else 0


def say(line: str, *, wrong: bool = False) -> None:
    """Print a line at once.

    Args:
        line: What is done, or wrong.
        wrong: Whether it goes to standard error.
    """
    print(line, file=sys.stderr if wrong else sys.stdout, flush=True)


def typed() -> str:
    """The command of this process as it may be typed again, however it was started."""
    program, *words = sys.argv
    name = Path(program).stem
    return shlex.join(["glowseis", *([] if name in ("glowseis", "__main__") else [name]), *words])


def import_tensorflow(*, begin: bool = True) -> None:
    """Import TensorFlow without its messages about the machine, which it prints before it reads its own log level.

    With TF_CPP_MIN_LOG_LEVEL below 3 in the environment nothing is suppressed. Products have full precision: with the
    ten bits that a GPU uses for float32 by default, no flow of many steps inverts.

    Args:
        begin: Whether to start its devices too; a process that trains with others must meet them first.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "3":
        _full_precision()
        check_interruption()
        return
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow as tf

        if begin:
            tf.config.list_logical_devices()
        _full_precision()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    check_interruption()


def _full_precision() -> None:
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)


def _fail(name: str, message: str, status: int) -> NoReturn:
    print(f"{name.removeprefix('python -m ')}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(status)


def _module_name() -> str:
    spec = sys.modules["__main__"].__spec__
    return f"python -m {spec.name}" if spec else sys.argv[0]


def _describe(wrong: OSError) -> str:
    where = f"{wrong.filename}: " if wrong.filename else ""
    if wrong.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return where + NO_SPACE
    return f"{where}{wrong.strerror or wrong}"
