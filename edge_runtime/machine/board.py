"""Facts of the machine we run on, read from /proc and /sys; nothing here needs extra rights."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
_PI_CACHE_BYTES = 2 << 20
VCGENCMD_SECONDS = 5.0  # it answers in milliseconds, or hangs where the firmware does not answer

#: Bits of ``vcgencmd get_throttled``: what holds now, and the same shifted by 16 for "since boot".
THROTTLED_NOW = {
    0: "under-voltage",
    1: "processor frequency capped",
    2: "throttled",
    3: "soft temperature limit reached",
}


@dataclass(frozen=True)
class Board:
    """What does not change while we run.

    Attributes:
        model: The board's name from the device tree, else the mainboard's, else ``unknown``.
        cpu: The processor's name, ``unknown`` where the kernel gives none.
        cores: Processors that are online.
        arch: As ``uname -m`` says, for example ``aarch64``.
        os: ``PRETTY_NAME`` of the operating system.
        kernel: Release of the kernel.
        memory_mib: Memory the kernel manages.
        cgroup_controllers: Of the unified hierarchy; without ``memory``, ``MemoryMax=`` does nothing.
    """

    model: str
    cpu: str
    cores: int
    arch: str
    os: str
    kernel: str
    memory_mib: float
    cgroup_controllers: tuple[str, ...]


@dataclass(frozen=True)
class Condition:
    """What may change from one second to the next; None where the machine does not say.

    Attributes:
        temperature_c: The hottest thermal zone.
        governor: Frequency governor of the first processor.
        frequency_mhz: Frequency of the first processor now.
        throttled_bits: ``vcgencmd get_throttled``; only on a Raspberry Pi.
    """

    temperature_c: float | None
    governor: str | None
    frequency_mhz: float | None
    throttled_bits: int | None


@dataclass(frozen=True)
class ProcessorTimes:
    """Processor time of the whole machine since boot, all processors added up.

    Attributes:
        busy_s: Time in which a processor was neither idle nor waiting for input and output; includes
            ``steal_s``.
        steal_s: Taken by the hypervisor for other guests.
    """

    busy_s: float
    steal_s: float


def read_board(root: Path = ROOT) -> Board:
    """Read what does not change of the machine whose file system begins at ``root``."""
    processors = _text(root / "proc/cpuinfo")
    return Board(
        model=_board_model(root),
        cpu=_cpu_name(processors),
        cores=_online(_text(root / "sys/devices/system/cpu/online")) or os.cpu_count() or 1,
        arch=_text(root / "proc/sys/kernel/arch") or os.uname().machine,
        os=_field(_text(root / "etc/os-release"), r'^PRETTY_NAME="?([^"\n]*)') or "unknown",
        kernel=_text(root / "proc/sys/kernel/osrelease") or "unknown",
        memory_mib=int(_field(_text(root / "proc/meminfo"), r"^MemTotal:\s+(\d{1,15})\b") or 0) / 1024,
        cgroup_controllers=tuple(_text(root / "sys/fs/cgroup/cgroup.controllers").split()),
    )


def read_condition(root: Path = ROOT, vcgencmd: str = "vcgencmd") -> Condition:
    """Read temperature, frequency and throttling now.

    Args:
        root: Where the file system begins.
        vcgencmd: The Raspberry Pi's firmware tool; its answer is None where it is absent or refuses.
    """
    # The hottest of all zones: which of them is the processor's differs from board to board.
    zones = (_number(path) for path in root.glob("sys/class/thermal/thermal_zone*/temp"))
    frequency = _number(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
    return Condition(
        temperature_c=max((zone / 1000 for zone in zones if zone is not None), default=None),
        governor=_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None,
        frequency_mhz=None if frequency is None else frequency / 1000,
        throttled_bits=_throttled_bits(vcgencmd),
    )


def read_processor_times(root: Path = ROOT) -> ProcessorTimes | None:
    """Read how long the processors have worked since boot; None where /proc/stat is hidden."""
    ticks = _field(_text(root / "proc/stat"), r"^cpu\s+(\d{1,19}(?: \d{1,19}){7,})$")
    if ticks is None:
        return None
    # What follows, the time given to guests, is counted within user and nice already.
    user, nice, system, _idle, _iowait, irq, softirq, steal = [int(n) for n in ticks.split()[:8]]
    per_second = os.sysconf("SC_CLK_TCK")
    return ProcessorTimes((user + nice + system + irq + softirq + steal) / per_second, steal / per_second)


def largest_cache_bytes(root: Path = ROOT) -> int:
    """Size of the largest cache of the first processor; 2 MiB, a Pi's, where the machine does not say."""
    sizes = (_text(path) for path in root.glob("sys/devices/system/cpu/cpu0/cache/index*/size"))
    found = [
        int(size[:-1]) << {"K": 10, "M": 20}[size[-1]]
        for size in sizes
        if re.fullmatch(r"[0-9]{1,6}[KM]", size)
    ]
    return max(found, default=_PI_CACHE_BYTES)


def throttling(bits: int) -> tuple[str, ...]:
    """What ``vcgencmd get_throttled`` says in words, for example ``under-voltage since boot``."""
    now = [words for bit, words in THROTTLED_NOW.items() if bits >> bit & 1]
    since_boot = [f"{words} since boot" for bit, words in THROTTLED_NOW.items() if bits >> bit >> 16 & 1]
    return (*now, *since_boot)


def _board_model(root: Path) -> str:
    # A PC has no device tree, and what its maker wrote into the mainboard in its place.
    device_tree = _text(root / "proc/device-tree/model")
    vendor, product = (_text(root / f"sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name"))
    return device_tree or f"{vendor} {product}".strip() or "unknown"


def _cpu_name(cpuinfo: str) -> str:
    """The processor's name: on ARM, where kernels name no model, by its part number."""
    named = _field(cpuinfo, r"^model name\s*:\s*(.+)$")
    part = _field(cpuinfo, r"^CPU part\s*:\s*(\S+)$")
    cores = {"0xd03": "Cortex-A53", "0xd08": "Cortex-A72", "0xd0b": "Cortex-A76"}
    return named or (cores.get(part, f"ARM part {part}") if part else "unknown")


def _online(ranges: str) -> int:
    """Count the processors in the kernel's list, for example ``0-3,5``."""
    if not re.fullmatch(r"\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*", ranges):
        return 0
    bounds = [[int(n) for n in part.split("-")] for part in ranges.split(",")]
    return sum(pair[-1] - pair[0] + 1 for pair in bounds)


def _throttled_bits(vcgencmd: str) -> int | None:
    if shutil.which(vcgencmd) is None:
        return None
    try:
        answer = subprocess.run(
            [vcgencmd, "get_throttled"], capture_output=True, text=True, timeout=VCGENCMD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    digits = _field(answer.stdout, r"^throttled=0x([0-9a-fA-F]+)")
    return None if digits is None else int(digits, 16)


def _field(text: str, pattern: str) -> str | None:
    """The group of a pattern's first match in a text of many lines; None without a match."""
    match = re.search(pattern, text, re.MULTILINE)
    return match.group(1).strip() if match else None


def _number(path: Path) -> int | None:
    # Bounded: no temperature or frequency has more digits, and Python reads very long numbers slowly.
    text = _text(path)
    return int(text) if re.fullmatch(r"-?\d{1,15}", text) else None


def _text(path: Path) -> str:
    """The file's text without the device tree's final NUL, or empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n")
    except OSError:
        return ""
