"""The work of one process: a fold's arms, one after another, while other processes are kept out of that fold."""

from collections.abc import Callable, Sequence

from eval.results.collection import finished
from eval.running.crossval import line_of, run_arm
from eval.running.process import logged
from eval.study.fold import Fold
from eval.study.outcome import Outcome, outcome_path, read_outcome, write_outcome
from eval.study.preparation import Study
from glowseis.errors import InputError
from glowseis.locks import locked


def unfinished(study: Study, kind: str, fold: int, arms: Sequence[str]) -> list[str]:
    """Arms that have no outcome in a fold yet, or have failed.

    Raises:
        InputError: An outcome is damaged, of another study, or was tested on gathers other than this fold's.
    """
    missing = [arm for arm in arms if not finished(study.outcomes, study.digest, kind, fold, arm)]
    tested = set(study.survey.index["gather_id"].to_numpy()[study.parts(kind, fold)[2]])
    for arm in arms:
        path = outcome_path(study.outcomes, kind, fold, arm)
        if arm not in missing and set(read_outcome(path).ids) != tested:
            # Another scikit-learn may draw other folds from the same seed.
            raise InputError(
                f"{path}: was tested on other gathers than {kind} fold {fold} has here (see "
                f"{study.folder / 'folds'}); restore the folds of that run, or give another --outcomes"
            )
    return missing


def run_fold(
    study: Study,
    kind: str,
    number: int,
    arms: Sequence[str],
    say: Callable[[str], None] = print,
    *,
    wait: bool = False,
) -> list[Outcome]:
    """Run the arms of a fold that have no outcome yet, and write each outcome as soon as it is known.

    What flows and synthesis print goes to `work/KIND-FF.log` in the study's folder.

    Args:
        study: The study.
        kind: Kind of the folds.
        number: Number of the fold, from 0.
        arms: Names of the arms.
        say: Called with one line per arm.
        wait: Whether to wait for another process that works on the fold.

    Returns:
        The outcomes of the arms that this call ran.

    Raises:
        InputError: Another process works on the fold, and `wait` is off; there is no such fold; or an outcome is
            damaged or of another study.
        LeakError: A validation or test gather, or something made from one, reached training.
        StoppedError: A signal came; what is finished is kept.
    """
    done: list[Outcome] = []
    work = study.work(kind, number)
    busy = (
        f"{study.folder}: another process is working on {study.unit} {number}, {kind}; wait for it, or choose others "
        f"with --{study.unit}"
    )
    with locked(work.with_name(f"{work.name}.lock"), busy, wait=wait):
        todo = unfinished(study, kind, number, arms)
        if not todo:
            return done
        with logged(work, say) as say_to_user:
            fold = Fold(study, kind, number)
            for arm in todo:
                outcome = run_arm(fold, arm)
                write_outcome(study.outcomes, outcome)
                done.append(outcome)
                say_to_user(line_of(outcome))
    return done
