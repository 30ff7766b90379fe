"""A disk of its own for one folder, so that it can be full: a file with a file system in it. Only root may mount."""

import os
import pathlib
import subprocess


class SmallDisk:
    """Mounted when made."""

    def __init__(self, image: pathlib.Path, folder: pathlib.Path, megabytes: int) -> None:
        if os.geteuid() != 0:
            raise PermissionError("only root may mount")
        self.folder = folder
        folder.mkdir(exist_ok=True)
        # Sparse: it takes only what is written to it.
        with open(image, "wb") as file:
            file.truncate(megabytes << 20)
        self._run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,nodiscard", str(image))
        self._run("mount", "-o", "loop", str(image), str(folder))
        # A place of its own for what fills it, which the folder's user does not see.
        self._ballast = folder / "lost+found" / "ballast"

    @staticmethod
    def _run(*words: str) -> None:
        subprocess.run(words, check=True, capture_output=True, timeout=60)

    def fill(self) -> None:
        """Takes all space that is left; what is not allocated in one piece, in smaller ones."""
        with open(self._ballast, "ab") as file:
            piece = 1 << 34
            while piece >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, piece)
                except OSError:
                    piece //= 2

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.folder)], capture_output=True, timeout=60)
