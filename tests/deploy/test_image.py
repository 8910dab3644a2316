"""The Dockerfile: what hadolint would say, and what this image promises on top."""

from __future__ import annotations

import fnmatch
import re
import shlex
import subprocess

import pytest

from shop.contexts import CONTEXTS
from tests.deploy.files import DOCKER, ENTRYPOINT, ROOT, entrypoint_roles, read_yaml

INSTRUCTIONS = {
    "FROM", "ARG", "ENV", "LABEL", "COPY", "RUN", "WORKDIR", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT",
    "CMD",
}  # fmt: skip


def _instructions(text: str) -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*(#[^\n]*\n\s*)*", " ", text)
    lines = [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def _faults(text: str) -> list[str]:
    """Return what is wrong with a Dockerfile."""
    faults = []
    instructions = _instructions(text)
    stages = [argument.split()[-1] for name, argument in instructions if name == "FROM"]
    last_stage = _stage(instructions, stages[-1])
    arguments = dict(argument.split("=", 1) for name, argument in instructions if name == "ARG" and "=" in argument)
    for name, argument in instructions:
        faults += _faults_of_one(name, argument, stages=stages, arguments=arguments)
    users = [argument for name, argument in last_stage if name == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        faults.append("the image runs as root, or as a user that runAsNonRoot can't judge")
    faults += [
        f"{wanted} is missing"
        for wanted in ("HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT", "CMD")
        if wanted not in [name for name, _ in last_stage]
    ]
    return faults


def _stage(instructions: list[tuple[str, str]], wanted: str) -> list[tuple[str, str]]:
    """Return the instructions of a stage, after those of the stage that it begins from."""
    found: dict[str, list[tuple[str, str]]] = {"": []}
    stage = ""
    for name, argument in instructions:
        if name == "FROM":
            base, stage = argument.split()[0], argument.split()[-1]
            found[stage] = list(found.get(base, []))
        found[stage].append((name, argument))
    return found[wanted]


def _faults_of_one(name: str, argument: str, *, stages: list[str], arguments: dict[str, str]) -> list[str]:
    image = re.sub(r"\$\{(\w+)\}", lambda found: arguments.get(found[1], ""), argument.split(maxsplit=1)[0])
    pinned = re.fullmatch(r"[\w./-]+:[\w.-]*\d[\w.-]*(@sha256:[0-9a-f]{64})?", image)
    source = re.findall(r"--from=(\S+)", argument)
    wrong = {
        f"{name} is not to be used": name not in INSTRUCTIONS,
        f"{image} isn't pinned": name == "FROM" and image not in stages and not pinned,
        f"{name} runs through a shell, which swallows signals": name in {"CMD", "ENTRYPOINT"} and argument[0] != "[",
        f"a secret would stay in the image: {argument}": name in {"ENV", "ARG"}
        and re.search(r"(KEY|SECRET|PASSWORD|TOKEN)\w*=", argument),
        "pip installs what nobody vouches for": "pip install" in argument and "--require-hashes" not in argument,
        f"WORKDIR {argument} is relative": name == "WORKDIR" and argument[0] != "/",
        f"COPY {argument}: no such stage": name == "COPY" and not set(source) <= set(stages),
    }
    return [fault for fault, is_so in wrong.items() if is_so]


def test_dockerfile_is_sound() -> None:
    assert _faults((DOCKER / "Dockerfile").read_text()) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("PYTHON_IMAGE=python:3.11.13-slim-bookworm\n", "PYTHON_IMAGE=python:latest\n"),
        ("USER 10001:10001", "USER root"),
        ("--require-hashes ", ""),
        ('CMD ["web"]', "CMD web"),
        ("STOPSIGNAL SIGTERM", "ENV SECRET_KEY=x"),
        ("COPY --from=application", "COPY --from=aplication"),
    ],
)
def test_a_mistake_is_caught(old: str, new: str) -> None:
    text = (DOCKER / "Dockerfile").read_text()
    assert old in text

    assert _faults(text.replace(old, new))


def test_image_starts_in_production_settings_and_as_web() -> None:
    text = (DOCKER / "Dockerfile").read_text()

    assert "DJANGO_SETTINGS_MODULE=config.settings.production" in text
    assert ("CMD", '["web"]') in _instructions(text)


def _holds_stand_ins(text: str, stage: str) -> bool:
    """Return whether what is copied into a stage, from the builder or from another stage, has local/ in it."""
    instructions = _instructions(text)
    holds = False
    for name, argument in _stage(instructions, stage):
        source = re.match(r"--from=(\S+)", argument)
        if name == "COPY" and source and source[1] != "dependencies":
            holds = holds or _holds_stand_ins(text, source[1])
        elif name == "COPY" and not source:
            holds = holds or argument.split()[0] in {".", "local"}
        elif name == "RUN" and argument.startswith("rm -r local "):
            holds = False
    return holds


def test_what_is_built_without_a_target_holds_nothing_that_stands_in_for_the_world() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    (*_others, last) = [argument.split()[-1] for name, argument in _instructions(text) if name == "FROM"]

    assert not _holds_stand_ins(text, last)
    assert _holds_stand_ins(text, "local")
    assert read_yaml("compose.yml")["services"]["web"]["build"]["target"] == "local"


@pytest.mark.parametrize(
    ("old", "new"),
    [("RUN rm -r local ", "RUN true "), ("FROM runtime AS shop", "FROM local AS shop")],
)
def test_a_stand_in_in_the_image_is_caught(old: str, new: str) -> None:
    text = (DOCKER / "Dockerfile").read_text()
    assert old in text

    assert _holds_stand_ins(text.replace(old, new), "shop")


def test_only_what_the_image_runs_is_sent_to_the_builder() -> None:
    patterns = [
        line for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line and line[0] != "#"
    ]
    assert patterns[0] == "*"
    kept = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()

    for path in kept:
        assert path == "docker/gunicorn.conf.py" or any(file == path or file.startswith(f"{path}/") for file in tracked)
    for outside in ("tests/conftest.py", "docker/.env", ".git/config", "var/postgres/password"):
        assert not any(fnmatch.fnmatch(outside, f"{path}*") for path in kept)
    for context in (*CONTEXTS, "shop", "config"):
        assert context in kept


def test_entrypoint_is_executable_and_parses() -> None:
    assert ENTRYPOINT.stat().st_mode & 0o111
    subprocess.run(["sh", "-n", str(ENTRYPOINT)], check=True)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], ["gunicorn", "-c", "docker/gunicorn.conf.py", "config.wsgi"]),
        (["web"], ["gunicorn", "-c", "docker/gunicorn.conf.py", "config.wsgi"]),
        (["migrate"], ["python", "manage.py", "migrate_all"]),
        (["manage", "explain_order", "x"], ["python", "manage.py", "explain_order", "x"]),
        (["python", "-m", "local.stripe"], ["python", "-m", "local.stripe"]),
    ],
)
def test_role_starts_its_command(tmp_path, arguments: list[str], wanted: list[str]) -> None:
    ran = _run_entrypoint(tmp_path, arguments)

    assert shlex.split(ran.splitlines()[-1]) == wanted


@pytest.mark.parametrize("role", ["worker", "deliveries", "sweeps"])
def test_worker_runs_without_what_hangs_on_a_frozen_broker(tmp_path, role: str) -> None:
    ran = shlex.split(_run_entrypoint(tmp_path, [role]).splitlines()[-1])

    assert ran[:4] == ["celery", "-A", "config", "worker"]
    assert {"--without-heartbeat", "--without-gossip", "--without-mingle"} <= set(ran)


def test_web_answers_to_its_own_address_and_starts_with_no_old_counters(tmp_path) -> None:
    counters = tmp_path / "prometheus"
    counters.mkdir()
    (counters / "counter_1.db").write_text("of an earlier life")

    ran = _run_entrypoint(tmp_path, ["web"], ALLOWED_HOSTS="shop.example.com", PROMETHEUS_MULTIPROC_DIR=str(counters))

    assert "ALLOWED_HOSTS=shop.example.com,10.1.2.3,[fd00::7]" in ran
    assert list(counters.iterdir()) == []


def _run_entrypoint(tmp_path, arguments: list[str], **environment: str) -> str:
    """Run the entrypoint with every program replaced by one that prints how it was called."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("gunicorn", "celery", "python"):
        (programs / program).write_text(
            '#!/bin/sh\necho "ALLOWED_HOSTS=${ALLOWED_HOSTS:-}"\necho "$(basename "$0")" "$@"\n'
        )
        (programs / program).chmod(0o755)
    (programs / "hostname").write_text("#!/bin/sh\necho 10.1.2.3 fd00::7\n")
    (programs / "hostname").chmod(0o755)
    done = subprocess.run(
        ["sh", str(ENTRYPOINT), *arguments],
        env={"PATH": f"{programs}:/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_every_role_is_told_of_in_the_dockerfile() -> None:
    assert {"web", "worker", "deliveries", "sweeps", "beat", "migrate", "manage"} <= entrypoint_roles()


def test_image_installs_the_versions_that_are_tested() -> None:
    def pins(path: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", (ROOT / path).read_text(), re.MULTILINE))

    image, tested = pins("docker/requirements.txt"), pins("requirements.txt")

    assert image.keys() <= tested.keys()
    assert {name: version for name, version in image.items() if tested[name] != version} == {}
    assert "pytest" not in image


def test_every_requirement_has_its_hashes() -> None:
    text = (DOCKER / "requirements.txt").read_text().replace("\\\n", " ")
    requirements = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]

    assert len(requirements) > 30
    assert [line for line in requirements if "--hash=sha256:" not in line] == []
