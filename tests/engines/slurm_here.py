"""A real Slurm in a folder, without systemd, munge and containers, for the time of the tests.

It is that on the PATH, or one that was unpacked (Debian's slurmctld, slurmd, slurm-client and slurm-wlm-basic-plugins)
into the folder that the environment variable SLURM_ROOT names.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_ARRAY_SIZE = 4
_PACKAGE_MAKES = "slurm-wlm"


def missing() -> str:
    """Why there is no Slurm to be tested; '': there is one."""
    if _program("slurmctld") and _program("slurmd") and _program("sbatch"):
        return "" if os.geteuid() == 0 else "Slurm's daemons are started as root alone"
    return (
        "there is no Slurm here: install Debian's slurmctld, slurmd and slurm-client, or unpack them below SLURM_ROOT"
    )


@contextmanager
def slurm_in(folder: Path) -> Iterator[dict[str, str]]:
    """Start Slurm's daemons in a folder; the environment variables by which its commands find them."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    libraries = _libraries()
    environment = {
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": os.pathsep.join([str(Path(str(_program("sbatch"))).parent), os.environ["PATH"]]),
    }
    if libraries:
        found = [str(libraries), str(libraries / _PACKAGE_MAKES), os.environ.get("LD_LIBRARY_PATH", "")]
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, found))
    (folder / "slurm.conf").write_text(_configuration(folder, libraries))
    step = _program("slurmstepd")
    commands = [
        [_program("slurmctld"), "-D"],
        [_program("slurmd"), "-D", "-N", "localhost", *(["-d", step] if libraries and step else [])],
    ]
    daemons = []
    try:
        for command in commands:
            with (folder / f"{len(daemons)}.log").open("wb") as log:
                daemons.append(subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log))
            _wait_for_answer(environment, "sinfo --noheader" if len(daemons) == 2 else "scontrol ping")
        yield environment
    finally:
        subprocess.run(["scancel", "--user=root"], env=os.environ | environment, capture_output=True)
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)


def _program(name: str) -> str | None:
    root = os.environ.get("SLURM_ROOT")
    folders = [f"{root}/usr/{one}" for one in ("sbin", "bin")] if root else []
    path = os.pathsep.join([*folders, "/usr/sbin", os.environ["PATH"]])
    # The Debian package lists its daemons under names with an ending.
    return shutil.which(f"{name}-wlm", path=path) or shutil.which(name, path=path)


def _libraries() -> Path | None:
    root = os.environ.get("SLURM_ROOT")
    return next((path.parent for path in Path(root).glob(f"usr/lib/*/{_PACKAGE_MAKES}")), None) if root else None


def _wait_for_answer(environment: dict[str, str], command: str) -> None:
    for _ in range(100):
        answer = subprocess.run(command.split(), env=os.environ | environment, capture_output=True, text=True)
        if answer.returncode == 0 and ("idle" in answer.stdout or "UP" in answer.stdout):
            return
        time.sleep(0.1)
    raise RuntimeError(f"Slurm does not begin: {answer.stdout}{answer.stderr}")


def _configuration(folder: Path, libraries: Path | None) -> str:
    controller, node = _free_ports(2)
    values = {
        "ClusterName": "here",
        "SlurmctldHost": "localhost(127.0.0.1)",
        "SlurmctldPort": controller,
        "SlurmdPort": node,
        "AuthType": "auth/none",
        "CredType": "cred/none",
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "StateSaveLocation": folder / "state",
        "SlurmdSpoolDir": folder / "spool",
        "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd.pid",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU",
        "MaxArraySize": MAX_ARRAY_SIZE,
        "JobAcctGatherType": "jobacct_gather/none",
        "AccountingStorageType": "accounting_storage/none",
        "SwitchType": "switch/none",
        "MpiDefault": "none",
        "SchedulerParameters": "batch_sched_delay=0,sched_interval=1",
        "KillWait": 10,
        "NodeName": f"localhost NodeHostname={socket.gethostname().partition('.')[0]} NodeAddr=127.0.0.1"
        f" CPUs={os.cpu_count()} State=UNKNOWN",
        "PartitionName": "main Nodes=localhost Default=YES MaxTime=60 State=UP",
    }
    if libraries:
        values["PluginDir"] = libraries / _PACKAGE_MAKES
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
