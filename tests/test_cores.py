"""A share of the time of all cores counts as the cores it amounts to, never as fewer than one."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbnd import cores


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts a process with eight cores into control groups: their list, their files."""

    def put(groups: str, files: dict[str, str]) -> None:
        (tmp_path / "cgroup").write_text(groups)
        for name, content in files.items():
            (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "fs" / name).write_text(content)

    monkeypatch.setattr(cores, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "CONTROLLERS", tmp_path / "fs")
    monkeypatch.setattr(cores, "usable_cores", lambda: list(range(8)))
    return put


def version_1(quota: str, period: str = "100000", *, at: str = "cpu,cpuacct") -> dict[str, str]:
    return {f"{at}/cpu.cfs_quota_us": f"{quota}\n", f"{at}/cpu.cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize(
    ("groups", "files", "n_cores"),
    [
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "100000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "6400000 100000\n"}, 8),  # more than there are
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "1000 100000\n"}, 1),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2),  # of a group above
        ("0::/a/b\n", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "50000 100000"}, 1),
        ("0::/host/path\n", {"cpu.max": "300000 100000"}, 3),  # a container that sees its own group as the root
        ("0::/../../x:y\n", {"cpu.max": "300000 100000"}, 3),
        ("4:cpu,cpuacct:/\n0::/\n", version_1("250000"), 3),
        ("4:cpu,cpuacct:/\n", version_1("-1"), 8),
        ("4:cpu,cpuacct:/docker/1\n", version_1("50000"), 1),
        ("4:cpu:/a\n3:cpuset:/\n", version_1("20000", "10000", at="cpu/a"), 2),
        ("3:cpuset:/\n2:cpuacct:/\n", version_1("50000", at="cpuset"), 8),
        ("", {}, 8),
        ("nonsense\n", {"cpu.max": "nonsense"}, 8),
        ("0::/\n", {"cpu.max": ""}, 8),
        ("0::/\n", {"cpu.max": "100000 0"}, 8),
    ],
)
def test_a_quota_counts_as_the_cores_it_amounts_to(system, groups: str, files: dict[str, str], n_cores: int) -> None:
    system(groups, files)
    assert cores.n_cores() == n_cores


def test_a_system_without_control_groups_has_all_its_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cores, "GROUPS", tmp_path / "none")
    assert cores.n_cores() == len(cores.usable_cores())
