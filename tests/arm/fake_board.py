"""Write what a Raspberry Pi says about itself into a tree: ``python fake_board.py TREE pi4|pi5``.

Programs emulated in that tree read these files instead of the host's. They must agree with the emulated
processor: onnxruntime reads them to choose its kernels and dies of SIGILL if they promise too much.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

PROCESSORS = range(4)


@dataclass(frozen=True)
class Board:
    """One model of Raspberry Pi."""

    model: str
    part: str
    variant: str
    revision: str
    features: str
    midr: str
    most_khz: int


BOARDS = {
    "pi4": Board(
        model="Raspberry Pi 4 Model B Rev 1.5",
        part="0xd08",
        variant="0x0",
        revision="3",
        features="fp asimd evtstrm crc32 cpuid",
        midr="0x00000000410fd083",
        most_khz=1_800_000,
    ),
    "pi5": Board(
        model="Raspberry Pi 5 Model B Rev 1.0",
        part="0xd0b",
        variant="0x4",
        revision="1",
        features="fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop"
        " asimddp",
        midr="0x00000000414fd0b1",
        most_khz=2_400_000,
    ),
}


def files(board: Board) -> dict[str, str]:
    """The path of each file and what is in it."""
    cpu = "sys/devices/system/cpu"
    found = {
        "proc/cpuinfo": "".join(_cpuinfo(board, n) for n in PROCESSORS) + f"Model\t\t: {board.model}\n",
        "proc/meminfo": "MemTotal: 3884264 kB\nMemFree: 3000000 kB\nMemAvailable: 3500000 kB\n",
        "proc/device-tree/model": f"{board.model}\0",
        "sys/firmware/devicetree/base/model": f"{board.model}\0",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "48199\n",
    }
    found |= {f"{cpu}/{name}": "0-3\n" for name in ("possible", "present", "online")}
    for n in PROCESSORS:
        found |= {
            f"{cpu}/cpu{n}/regs/identification/midr_el1": f"{board.midr}\n",
            f"{cpu}/cpu{n}/topology/physical_package_id": "0\n",
            f"{cpu}/cpu{n}/topology/core_id": f"{n}\n",
            f"{cpu}/cpu{n}/topology/core_siblings_list": "0-3\n",
            f"{cpu}/cpu{n}/cpufreq/cpuinfo_max_freq": f"{board.most_khz}\n",
            f"{cpu}/cpu{n}/cpufreq/scaling_cur_freq": f"{board.most_khz}\n",
            f"{cpu}/cpu{n}/cpufreq/scaling_governor": "ondemand\n",
        }
    return found


def _cpuinfo(board: Board, number: int) -> str:
    return (
        f"processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: {board.features}\n"
        f"CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: {board.variant}\n"
        f"CPU part\t: {board.part}\nCPU revision\t: {board.revision}\n\n"
    )


def main(tree: Path, name: str) -> None:
    for path, content in files(BOARDS[name]).items():
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # never write through a hard link into another board's tree
        target.write_text(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
