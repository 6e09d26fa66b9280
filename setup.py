"""What setup.cfg cannot say: the package gets a copy of the recipes and of the models that are ready to use."""

import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# A build does not look for modules here by itself. This one needs nothing else that is installed.
sys.path.insert(0, str(Path(__file__).parent))
from glowseis.shipped import READY


class BuildWithReady(build_py):
    """Copies them into `glowseis/ready`; an editable install finds them where they are."""

    def copies(self) -> dict[str, str]:
        """Files of the build, with the files that they are copied from."""
        files = list(Path("train").glob("*.toml"))
        for model in READY.values():
            files += [model.parent / "README.md", *model.rglob("*")]
        to = Path(self.build_lib, "glowseis", "ready")
        return {str(to / file): str(file) for file in sorted(files) if file.is_file()}

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if not self.editable_mode:
            for to, file in self.copies().items():
                Path(to).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, to)

    def get_source_files(self) -> list[str]:
        """Files of the source distribution."""
        return [*super().get_source_files(), *self.copies().values()]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Files of the build."""
        return [*super().get_outputs(include_bytecode), *([] if self.editable_mode else self.copies())]


setup(cmdclass={"build_py": BuildWithReady})
