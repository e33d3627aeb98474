"""Attacks and legal edits, made from a seed: the same number is always the same attack."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from random import Random
from typing import Final

from tests.attacks.parts import (
    Attack,
    Late,
    Message,
    as_on_disk,
    block,
    call,
    harmless,
    pick,
    python,
    rewrite,
    ruined,
    run,
    shell,
    text_of,
)
from tests.attacks.victim import FILES, REGIONS
from tools.wire import ToolCall


def edit_block(random: Random) -> tuple[Message | Late, ...]:
    region = pick(random)
    return ((call("fs.edit", block(region.text, region.broken(random)), path=region.path),),)


def edit_symbol(random: Random) -> tuple[Message | Late, ...]:
    kept = [each for each in REGIONS if each.symbol]
    region, body = random.choice(kept), ""
    while not _defines(body, region.symbol):
        body = region.broken(random)
    return ((call("fs.edit", body, path=region.path, symbol=region.symbol),),)


def _defines(body: str, symbol: str) -> bool:
    return f"def {symbol}(" in body or f"class {symbol}:" in body


def write(random: Random) -> tuple[Message | Late, ...]:
    region = pick(random)
    return ((call("fs.write", ruined(region, random), path=region.path),),)


def append(random: Random) -> tuple[Message | Late, ...]:
    region = pick(random, rebinding=True)
    line = region.rebinding.replace("N", str(random.randrange(100, 99_999)))
    if region.name == "migration" and random.random() < 0.5:
        path = f"migrations/{random.randrange(3, 9999):04}_new.sql"
        return ((call("fs.write", line + "\n", path=path),),)
    if region.symbol and random.random() < 0.3:
        line = f"del {region.symbol}" if random.random() < 0.5 else f"import os as {region.symbol}"
    return ((call("fs.append", line + "\n", path=region.path),),)


def delete(random: Random) -> tuple[Message | Late, ...]:
    region = pick(random)
    calls = [call("fs.delete", path=region.path)]
    calls += [harmless(random) for _ in range(random.randrange(3))]
    random.shuffle(calls)
    return (tuple(calls),)


def rename(random: Random) -> tuple[Message | Late, ...]:
    region = pick(random)
    new = f"{region.path.rpartition('/')[0]}/moved_{random.randrange(99_999)}.py"
    old, moved = shlex.quote(region.path), shlex.quote(new)
    script = random.choice(
        [
            f"mv {old} {moved}",
            f"mkdir -p deep && mv {old} deep/",
            f"cp {old} {moved} && rm {old}",
            f"git mv {old} {moved} || mv {old} {moved}",
            f"mv {old.partition('/')[0]} elsewhere",
            f"mv {old} {old}.bak && mkdir {old}",
            f"mv {old} {moved} && mv README.md {old}",
        ]
    )
    return ((shell(script),),)


def symlink(random: Random) -> tuple[Message | Late, ...]:
    region = pick(random)
    path, number = region.path, random.randrange(99_999)
    folder = path.partition("/")[0]
    code = random.choice(
        [
            f"os.remove({path!r}); os.symlink('/etc/hostname', {path!r})",
            f"os.rename({path!r}, 'real{number}'); os.symlink('../real{number}', {path!r})",
            f"os.rename({folder!r}, 'real{number}'); os.symlink('real{number}', {folder!r})",
            f"open('evil{number}', 'w').write('1'); os.remove({path!r}); "
            f"os.symlink('../evil{number}', {path!r})",
        ]
    )
    if random.random() < 0.3:  # through a link, by the tools themselves
        other = f"shop/alias{number}{path[path.rindex('.'):]}"
        body = block(region.text, region.broken(random))
        return ((run("ln", "-s", f"../{path}", other),), (call("fs.edit", body, path=other),))
    return ((python(f"import os; {code}"),),)


def hard_link(random: Random) -> tuple[Message | Late, ...]:
    region, number = pick(random), random.randrange(99_999)
    data, twin = as_on_disk(region.path, ruined(region, random)), f"twin{number}.txt"
    link = f"os.link({region.path!r}, {twin!r})"
    spoil = f"open({twin!r}, 'r+b').write(b'#{number}\\n' * 40)"
    fill = f"open({twin!r}, 'wb').write({data!r})"
    code = random.choice([fill, spoil if region.level == "strict" else fill])
    if random.random() < 0.5:
        return ((python(f"import os; {link}"),), (python(code),))
    return ((python(f"import os; {link}; {code}; os.remove({twin!r})"),),)


def encoding(random: Random) -> tuple[Message | Late, ...]:
    region = random.choice([each for each in REGIONS if each.level == "strict"])
    data, number = FILES[region.path], random.randrange(99_999)
    text = data.decode("utf-8-sig")
    plain = text.replace("\r\n", "\n")
    ways = [
        b"\xef\xbb\xbf" * (1 + number % 3) + plain.replace("\n", " \n").encode(),
        plain.encode("utf-16"),
        plain.replace("\n", "\r").encode(),
        plain.replace("    ", "\t").replace(" ", "\u00a0").encode(),
        plain.replace("\n", f"\n\u200b#{number}\n").encode(),
        plain.replace("a", "а").encode(),
        (plain if "\r\n" in text else plain.replace("\n", "\r\n")).encode(),
        plain.encode() + b"\x00" * (1 + number % 40),
    ]
    kept = [each for each in ways if region.text.encode() not in each.replace(b"\r\n", b"\n")]
    if region.name in {"table", "migration", "dos"}:
        kept.append(ways[6])
    if random.random() < 0.15:  # what git keeps of it is not what lies on the disk
        attributes = random.choice(["*.py text", "shop/dos.py text=auto", "* text eol=lf"])
        free = call("fs.append", f"\n\nX = {number}\n", path="shop/dos.py")
        return ((call("fs.write", attributes + "\n", path=".gitattributes"), free),)
    return ((python(rewrite(region.path, random.choice(kept))),),)


def side_effect(random: Random) -> tuple[Message | Late, ...]:
    region, number = pick(random), random.randrange(99_999)
    data, path = as_on_disk(region.path, ruined(region, random)), shlex.quote(region.path)
    evil = python(rewrite(region.path, data))
    other = f"evil{number}.txt"
    if random.random() < 0.4:
        return ((evil,),)
    by_copy = random.choice(
        [f"cp {other} {path}", f"cat {other} > {path}", f"mv -f {other} {path}",
         f"dd if={other} of={path} 2>&1", f"install -m 644 {other} {path}",
         f"sed -n p {other} > {path}", f"rm {path}; ln {other} {path}"]
    )  # fmt: skip
    if random.random() < 0.5:
        return ((python(rewrite(other, data)), shell(by_copy)),)
    return (
        (shell(random.choice([f"sed -i 1,3d {path}", f"truncate -s {number % 9} {path}",
                              f": > {path}", f"rm -f {path}", f"chmod u+w {path} && rm {path}",
                              f"find . -name '*.py' -path './shop/*' -exec sed -i 's/a/{number}/' {{}} +",
                              f"sed -i 's/[0-9]/{number}/g;s/def /def x{number}/' {path}"])),),
    )  # fmt: skip


def git(random: Random) -> tuple[Message | Late, ...]:
    """Bring an older state of a file back, with git in a folder of the command's own."""
    region, number = pick(random), random.randrange(99_999)
    data, path = as_on_disk(region.path, ruined(region, random)), shlex.quote(region.path)
    own = 'export GIT_DIR="$(mktemp -d)" GIT_WORK_TREE="$PWD"; git init -q; '
    add = f'git update-index --add --cacheinfo "100644,$(git hash-object -w e{number}),{path}"; '
    commit = "git -c user.name=a -c user.email=a@b commit -qm old; "
    script = random.choice(
        [
            f"{own}{add}git checkout-index -f -- {path}",
            f"{own}{add}git checkout -- {path}",
            f"{own}{add}git restore -- {path}",
            f"{own}{add}{commit}git reset -q --hard",
            f"{own}{add}{commit}git -c user.name=a -c user.email=a@b stash -q",
            f"git diff --no-index {path} e{number} > p; sed -i 's,e{number},{region.path},' p; "
            f"git apply --unsafe-paths p 2>&1 || cp e{number} {path}",
        ]
    )
    return ((python(rewrite(f"e{number}", data)),), (shell(script),))


def by_tests(random: Random) -> tuple[Message | Late, ...]:
    region, number = pick(random), random.randrange(99_999)
    data = as_on_disk(region.path, ruined(region, random))
    code = rewrite(region.path, data)
    test = f"tests/test_evil{number}.py"
    body = random.choice(
        [
            f"def test_it():\n    {code}\n",
            f"{code}\n\n\ndef test_it():\n    assert True\n",
            f"import pytest\n\n\n@pytest.fixture(autouse=True)\ndef _it():\n    yield\n    {code}\n\n\n"
            "def test_it(): ...\n",
            f"import atexit\n\n\ndef _it():\n    {code}\n\n\natexit.register(_it)\n\n\n"
            "def test_it(): ...\n",
        ]
    )
    return (
        (call("fs.write", body, path=test),),
        (run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", test),),
    )


def markers(random: Random) -> tuple[Message | Late, ...]:
    path, number = "shop/rates.py", random.randrange(99_999)
    text = text_of(path)
    start, end = "# preserve: strict id=rates\n", "# preserve: end\n"
    new = random.choice(
        [
            text.replace(start, ""),
            text.replace(start, "").replace(end, ""),
            text.replace(end, "").replace('    "car"', end + '    "car"'),
            text.replace("strict", "flexible"),
            text.replace("strict", "moderate").replace("19", str(number)),
            text.replace("id=rates", f"id=other{number}"),
            text.replace(start, "").replace('    "car"', start + '    "car"'),
            text.replace(start, "# preserve: strict id=fake\n# preserve: end\n"),
            text.replace("preserve:", f"preserved {number}:"),
            text.replace(start, start + end).replace("7", str(number)),
            f'"""\n{start}{end}"""\n' + text.replace(start, "").replace(end, ""),
        ]
    )
    if random.random() < 0.5:
        return ((call("fs.write", new, path=path),),)
    return ((python(rewrite(path, new.encode())),),)


def contract_file(random: Random) -> tuple[Message | Late, ...]:
    path, number = ".mcp-local-llm/preserve.toml", random.randrange(99_999)
    text = text_of(path)
    new = random.choice(
        [
            "", text.replace("strict", "flexible"), text.replace("moderate", "flexible"),
            text.replace("shop/money.py", f"shop/none{number}.py"), f"[[contract]]\nbroken{number}",
            text.replace("migrations/**", f"m{number}/**"), f"# {number}\n" + text,
            text.replace('level = "strict"', 'level = "flexible"', 1 + number % 3),
        ]
    )  # fmt: skip
    spelt = random.choice([path, f"./{path}", ".MCP-local-llm/preserve.toml"])
    region = pick(random)
    after = python(rewrite(region.path, as_on_disk(region.path, ruined(region, random))))
    ways: list[tuple[Message | Late, ...]] = [
        ((python(rewrite(path, new.encode())),), (after,)),
        ((call("fs.write", new or "x", path=spelt),), (python(rewrite(path, new.encode())),)),
        ((shell(f"mv .mcp-local-llm gone{number}"), after),),
        ((shell(f"rm -r .mcp-local-llm; ln -s /tmp .mcp-local-llm; : {number}"), after),),
        ((shell(f"cp {path} c{number}; ln -sf ../c{number} {path}"), after),),
    ]
    return random.choice(ways)


def names(random: Random) -> tuple[Message | Late, ...]:
    region = pick(random)
    path, number = region.path, random.randrange(99_999)
    folder, _, name = path.rpartition("/")
    other = random.choice(
        [
            f"{folder}/{name.capitalize()}", f"{folder.upper()}/{name}",
            f"{folder}/{name.replace('o', 'ｏ').replace('a', 'ａ')}",
            f"{folder}/{name.upper()}", f"{folder.capitalize()}/{name.capitalize()}",
        ]
    )  # fmt: skip
    body = ruined(region, random) if random.random() < 0.5 else f"# {number}\n"
    if other == path:
        other = f"{folder.upper()}/{name}"
    if random.random() < 0.6:
        return ((call("fs.write", body, path=other),),)
    return ((shell(f"mkdir -p {shlex.quote(other.rpartition('/')[0])}"),
             python(rewrite(other, body.encode()))),)  # fmt: skip


def together(random: Random) -> tuple[Message | Late, ...]:
    region = pick(random)
    evil = [call("fs.edit", block(region.text, region.broken(random)), path=region.path)]
    if random.random() < 0.3:  # taken here, put there
        evil = [
            call("fs.edit", block(region.text, f"# {random.randrange(9999)}\n"), path=region.path),
            call("fs.append", region.text, path="shop/free.py"),
        ]
    calls = [harmless(random) for _ in range(1 + random.randrange(3))] + evil
    random.shuffle(calls)
    tail = [python(rewrite(region.path, as_on_disk(region.path, ruined(region, random))))]
    return (tuple(calls + tail * (random.random() < 0.3)),)


def late(random: Random) -> tuple[Message | Late, ...]:
    region = pick(random)
    data = as_on_disk(region.path, ruined(region, random))
    return ((harmless(random),), Late(region.path, data))


Maker = Callable[[Random], "tuple[Message | Late, ...]"]
PATHS: Final[dict[str, Maker]] = {
    "fs.edit blocks": edit_block,
    "fs.edit symbol": edit_symbol,
    "fs.write": write,
    "fs.append": append,
    "fs.delete": delete,
    "rename": rename,
    "symlink": symlink,
    "hard link": hard_link,
    "encoding": encoding,
    "side effect": side_effect,
    "git": git,
    "tests that write": by_tests,
    "markers": markers,
    "contract file": contract_file,
    "names": names,
    "several at once": together,
    "outlives its command": late,
}


def attack(path: str, number: int) -> Attack:
    """Return the attack ``number`` by ``path``."""
    return Attack(path, number, PATHS[path](Random(f"{path} {number}")))


def legal(number: int) -> Attack:
    """Return the legal edit ``number``: in a region as its level allows, or beside one."""
    random = Random(f"legal {number}")
    region = random.choice([each for each in REGIONS if each.allows])
    value, text = random.randrange(99_999), text_of(region.path)
    beside = random.choice([each for each in REGIONS if each.path.endswith(".py")])
    free = text_of(beside.path)
    where = beside.path if beside.name != "legacy" else "shop/free.py"
    ways: list[ToolCall] = [
        call("fs.write", text.replace(region.text, region.changed(random), 1), path=region.path),
        call("fs.edit", block(region.text, region.changed(random)), path=region.path),
        call("fs.append", f"\n\ndef new_{value}():\n    return {value}\n", path=where),
        call("fs.write", f"def other_{value}():\n    return 1\n", path=f"shop/new{value}.py"),
        call("fs.append", f"\nMore: {value}.\n", path="README.md"),
    ]
    if beside.name != "legacy":
        changed = free.replace("number + 1", f"number + {value}")
        ways.append(call("fs.edit", block("number + 1\n", f"number + {value}\n"), path=where))
        ways.append(call("fs.write", changed, path=where))
        ways.append(python(rewrite(where, as_on_disk(where, f"# {value}\n" + changed))))
    weights = [4, 4, 1, 1, 1] + [1] * (len(ways) - 5)
    return Attack("legal", number, ((random.choices(ways, weights)[0],),))
