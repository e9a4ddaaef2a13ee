"""The report: one page that needs nothing else, tried in a real browser."""

import base64
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_world import World, refused, save, world  # noqa: F401
from tiny_videos import make_actions, moving_square

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.decode import probe, read_frames
from evaluator.reports.gallery import small_video
from evaluator.reports.headline import headline
from evaluator.reports.leaderboard import as_text, row_of
from evaluator.reports.merged_runs import Group
from evaluator.reports.palette import looks
from evaluator.reports.report import _comparisons, report
from evaluator.reports.seeds import Mean, entry
from evaluator.reports.svg import Line, Spot, line_chart, scatter, ticks
from evaluator.runs import compare_runs, find_records, load_run, recompute


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two checkpoints on all kinds of benchmarks."""
    base = tmp_path_factory.mktemp("page")
    made = World(make_actions(base / "ucf"), base)
    made.run()
    made.checkpoint = save(base / "other.ckpt", seed=1, method="<b>albar & co</b>")
    made.run()
    return report([base / "out"], base / "report.html", published="ucf101-updated", gallery=2)


def test_the_page_is_self_contained_and_escapes_names(page_file: Path) -> None:
    text = page_file.read_text()
    without_data = re.sub(r"data:video/mp4;base64,[A-Za-z0-9+/=]+", "", text)
    assert len(without_data) < len(text)
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#|data:)[^"']*["']""", text.replace('src=""', ""))
    assert not re.findall(r"https?://|url\(|@import", without_data)
    assert "<b>albar" not in text and "&lt;b&gt;albar &amp; co&lt;/b&gt;" in text
    assert "ALBAR †" in text and "26.25" in text


def test_a_report_without_a_gallery_needs_no_videos_and_no_data_set(world: World, tmp_path: Path) -> None:
    record = world.run()
    world.checkpoint = save(world.base / "other.ckpt", seed=1, method="albar")
    world.run()
    shutil.copytree(world.base, tmp_path / "moved")
    # Everything at the old place goes; the data set and every video go at the new one, too.
    saved = tmp_path / "saved"
    shutil.copytree(world.base, saved)
    shutil.rmtree(world.base)
    shutil.rmtree(tmp_path / "moved" / "ucf")
    for folder in (tmp_path / "moved" / "b").iterdir():
        shutil.rmtree(folder / "videos")
    try:
        page = report([tmp_path / "moved" / "out"], tmp_path / "r.html", gallery=0).read_text()
        runs = [load_run(p) for p in find_records([tmp_path / "moved" / "out"])]
        assert all(recompute(run).plain()["figures"] == run.record.plain()["figures"] for run in runs)
        compared = compare_runs(*runs)
        assert set(compared) == set(record["figures"]) and compared["iid"].n == 4
        assert "Is the difference real?" in page
    finally:
        shutil.copytree(saved, world.base)


def test_a_video_that_is_gone_costs_no_page(world: World, tmp_path: Path) -> None:
    world.run()
    shutil.rmtree(world.scufo / "videos")
    shutil.rmtree(world.root)
    page = report([world.base / "out"], tmp_path / "r.html", gallery=1).read_text()
    assert page.count("data:video/mp4") == 3 and "missing, or has changed" in page


def test_the_data_set_is_found_next_to_results_that_moved_with_it(world: World, tmp_path: Path) -> None:
    record = world.run()
    moved = tmp_path / "moved"
    shutil.copytree(world.base, moved)
    path = moved / "out" / "results" / Path(record["record"]).name
    assert load_run(path).sets[0].items[0].path.is_relative_to(moved)
    # What is there is checked: a list of other videos is not what was scored.
    listed = moved / "ucf" / "ucfTrainTestlist" / "testlist01.txt"
    listed.write_text("".join(listed.read_text().splitlines(keepends=True)[1:]))
    assert "ucf101-iid" in refused(lambda: load_run(path)) and "changed" in refused(lambda: load_run(path))
    with pytest.raises(BenchError, match="no such folder"):
        load_run(path, root=tmp_path / "nowhere")


def test_small_videos_are_the_frames_and_play_everywhere(tmp_path: Path) -> None:
    video, _ = moving_square(frames=12, height=51, width=85)
    video = np.repeat(np.repeat(video // 8 * 0 + 90, 1, 1), 1, 2)
    video[6:, :, :, 0] = 200  # red comes on halfway
    uri = small_video(iter(video), 10.0, height=30, most=10)
    path = tmp_path / "v.mp4"
    path.write_bytes(base64.b64decode(uri.removeprefix("data:video/mp4;base64,")))
    info = probe(path)
    assert (info.width, info.height, info.frames, info.fps) == (50, 30, 10, 10.0)
    found = np.stack(list(read_frames(path)))
    # CRF 30 of flat colour: chroma is quantised in steps below 8 levels at this setting; red changes by 110.
    assert abs(found[:6, ..., 0].mean() - 90) < 8 and abs(found[6:, ..., 0].mean() - 200) < 8
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.profile in ("Baseline", "Constrained Baseline") and stream.pix_fmt == "yuv420p"
    assert "no frames" in refused(lambda: small_video(iter([]), 10.0))


def test_charts_say_what_they_draw() -> None:
    look = looks(["a"])["a"]
    means = Mean(40.0, None, 30.0, 50.0, 9, 0, 1), Mean(70.0, 2.0, None, None, 9, 0, 3)
    drawn = scatter([Spot(3, "a & <b>", look, *means), Spot(4, "b", look, *means[::-1], published=True)], "x", "y", "t")
    assert "a &amp; &lt;b&gt;: x 40.0 % (30.0 to 50.0), y 70.0 % ± 2.0 over 3 seeds" in drawn and "<b>" not in drawn
    assert re.findall(r'class="label"[^>]*>([^<]*)<', drawn) == ["a &amp; &lt;b&gt;", "b"]
    many = scatter([Spot(k, "name", look, *means) for k in range(20)], "x", "y", "t")
    assert "name</text>" not in many and ">19</text>" in many
    lines = line_chart([Line("<i>", look, ((1, 0.5), (2, 0.25)))], "title", False)
    assert "&lt;i&gt;" in lines and "<i>" not in lines and lines.count('class="mark"') == 2
    assert (
        ticks(0, 100) == [0, 20, 40, 60, 80, 100] and ticks(83, 91) == [84, 86, 88, 90] and ticks(0.1, 0.14)[0] == 0.1
    )


def group_of(*runs: Any, name: str = "") -> Group:
    return Group(name or runs[0].name, entry([as_text(row_of(run.record)) for run in runs]), runs)


def test_the_headline_is_the_result_with_its_interval(world: World) -> None:
    world.run()
    world.checkpoint = save(world.base / "other.ckpt", seed=1, method="baseline")
    world.run()
    runs = sorted((load_run(p) for p in find_records([world.base / "out"])), key=lambda run: str(run.record.seed))
    # Nothing recognises these videos: one run is made right on every moving video, and wrong on every still.
    for name, p in runs[0].predictions.items():
        kind = next((s.kind for s in runs[0].sets if s.name == name), "")
        wrong = (p.labels + 1) % len(p.classes)
        runs[0].predictions[name] = replace(p, chosen=p.labels if kind in ("iid", "scuba") else wrong, scores=None)
    figures = recompute(runs[0]).figures
    best = replace(runs[0], record=runs[0].record.replaced(method="mine", figures=figures))
    base = runs[1]
    said = headline([group_of(base), group_of(best)])
    assert said.startswith("mine (small3d, seed 0) has the highest contrasted accuracy, 100.0 % (95 % interval ")
    assert re.search(r"\): [\d.]+ points more than baseline \(small3d, seed 1\) \(\+[\d.]+ to \+[\d.]+\)\.$", said)
    alone = headline([group_of(best)])
    assert (
        alone.startswith("mine (small3d, seed 0) has a contrasted accuracy of 100.0 % (95 % ") and "more" not in alone
    )
    assert "which may be chance" in headline([group_of(base, name="a"), group_of(base, name="b")])
    # Two seeds: the mean of the outcomes of each video, 100 and those of the other run.
    two = headline([group_of(best, replace(base, record=base.record.replaced(method="mine")))])
    mean = (100 + base.record.figures["contra_acc"].percent) / 2
    assert f"of {mean:.1f} %" in two and "mean of 2 seeds" in two
    assert headline([]) == ""


def test_who_is_held_against_whom(world: World) -> None:
    world.run(folders=[world.scuba], iid=False)
    (path,) = (world.base / "out/results").glob("*.json")
    run = load_run(path)

    def pairs(*named: str) -> set[tuple[str, str]]:
        """``METHOD MODEL`` of runs -> who against whom."""
        told = [dict(zip(("method", "model"), name.split(), strict=True)) for name in named]
        records = [run.record.replaced(seed="", **one) for one in told]
        return {(c["a"], c["b"]) for c in _comparisons([group_of(replace(run, record=r)) for r in records])}

    assert pairs("albar swin", "mine mae") == {("mine (mae)", "albar (swin)")}
    assert pairs("albar swin", "baseline swin", "mine mae") == {
        ("albar (swin)", "baseline (swin)"), ("mine (mae)", "baseline (swin)"),
    }  # fmt: skip
    assert pairs("baseline swin", "baseline mae", "mine mae") == {("mine (mae)", "baseline (mae)")}


def test_what_the_report_refuses(world: World) -> None:
    out = world.base / "r.html"
    assert "holds no results" in refused(lambda: report([world.base], out))
    world.run()
    assert "name an .html" in refused(lambda: report([world.base / "out"], world.base / "r.pdf"))
    assert "--gallery" in refused(lambda: report([world.base / "out"], out, gallery=-1))
    assert "choose from" in refused(lambda: report([world.base / "out"], out, published="x"))
    (path,) = (world.base / "out/predictions").glob("scuba--*.csv")
    path.write_text(path.read_text().replace("\n", "\nghost,0,0," + ",".join(["0"] * 101) + "\n", 1))
    assert "'ghost' is not in the test set" in refused(lambda: report([world.base / "out"], out))
    assert not out.exists()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; the test is skipped where none is installed."""
    api = pytest.importorskip("playwright.sync_api", reason="no playwright; pip install playwright")
    found = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
    if found is None:
        pytest.skip("no Chromium; apt-get install chromium")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


def opened(browser: Any, path: Path, **options: Any) -> tuple[Any, list[str], list[str]]:
    page = browser.new_page(**options)
    requests: list[str] = []
    problems: list[str] = []
    page.on("request", lambda r: requests.append(r.url))
    page.on("console", lambda m: problems.append(m.text))
    page.on("pageerror", lambda e: problems.append(str(e)))
    page.goto(path.as_uri())
    return page, requests, problems


def until(page: Any, condition: str, seconds: float = 20) -> None:
    """Wait for a condition. Playwright's own waiting evaluates text inside the page, which its policy forbids."""
    for _ in range(round(seconds * 20)):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not within {seconds} s: {condition}")


def contrast(a: str, b: str) -> float:
    """WCAG 2 contrast ratio of two CSS colours ``rgb(r, g, b)``."""

    def light(colour: str) -> float:
        values = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    one, other = sorted((light(a), light(b)))
    return (other + 0.05) / (one + 0.05)


def test_every_link_and_control_in_a_browser(browser: Any, page_file: Path) -> None:
    page, requests, problems = opened(browser, page_file, viewport={"width": 1200, "height": 900})
    for link in page.query_selector_all("nav a"):
        link.click()
        assert page.query_selector(page.evaluate("location.hash")) is not None
    assert page.locator("nav a").count() == 8

    # Sorting: numbers start with the highest, then turn; blanks stay last; the other headings say none.
    column = page.locator("#leaderboard thead th").filter(has_text="IID")
    index = column.evaluate("th => th.cellIndex")
    for direction, reverse in (("descending", True), ("ascending", False)):
        column.locator("button").click()
        assert column.get_attribute("aria-sort") == direction
        shown = page.locator(f"#leaderboard tbody td:nth-child({index + 1})").evaluate_all(
            "t => t.map(c => c.dataset.value)"
        )
        values = [float(v) for v in shown if v]
        assert values == sorted(values, reverse=reverse) and len(values) == 6 and shown[len(values) :] == []
    assert "ascending" in page.inner_text("#said")
    shaken = page.locator("#leaderboard thead th").filter(has_text="Avg shaken")
    shaken.locator("button").click()
    last = page.locator("#leaderboard tbody tr").last
    assert "not measured" in last.inner_text()  # a published row

    # One model's classes at a time.
    assert page.locator(".run:visible").count() == 1
    page.select_option("#run", "run-2")
    assert page.locator("#run-2").is_visible() and not page.locator("#run-1").is_visible()

    # Colours.
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    page.click("#theme")
    assert "dark" in page.inner_text("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == before

    # Playing: a card alone, then all; each video decodes and moves on.
    playing = "[...document.querySelectorAll('video')].map(v => !v.paused && v.currentTime > 0)"
    versions = page.locator(".card").first.locator("video").count()
    assert versions == 5  # original, SCUBA, SCUFO, ConflFG, shaken
    page.locator(".card .play").first.click()
    until(page, f"({playing}).filter(Boolean).length === {versions}")
    page.locator(".card .play").first.click()
    assert not any(page.evaluate(playing))
    page.click("#play")
    until(page, f"({playing}).every(Boolean)")
    assert page.get_attribute("#play", "aria-pressed") == "true"
    assert page.evaluate("[...document.querySelectorAll('video')].every(v => v.videoWidth > 0 && !v.error)")
    page.click("#play")
    assert not any(page.evaluate(playing))

    page.locator("#how summary").first.click()
    assert page.locator("details dl").first.is_visible()
    assert problems == []
    assert {url.split(":")[0] for url in requests} <= {"file", "data"}


def test_the_keyboard_reaches_everything(browser: Any, page_file: Path) -> None:
    page, _, problems = opened(browser, page_file, viewport={"width": 1200, "height": 900})
    reached = []
    for _ in range(400):
        page.keyboard.press("Tab")
        here = page.evaluate("[...document.querySelectorAll('body *')].indexOf(document.activeElement)")
        if here == -1 or here in reached:
            break
        reached.append(here)
    wanted = "a[href], button, select, summary, .scroll"
    visible = f"[...document.querySelectorAll('{wanted}')].filter(e => e.checkVisibility()).length"
    assert len(reached) == page.evaluate(visible)
    page.locator("#leaderboard thead button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#leaderboard th[aria-sort=ascending]").count() == 1
    page.locator("#play").focus()
    page.keyboard.press("Space")
    assert page.get_attribute("#play", "aria-pressed") == "true"
    assert problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(browser: Any, page_file: Path, scheme: str) -> None:
    page, _, _ = opened(browser, page_file, color_scheme=scheme)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(v) for v in re.findall(r"\d+", paper)[:3]) > 384) == (scheme == "light")
    for selector in ("body", "small", ".good", ".bad", ".none", "nav a", "tr.published td", ".who"):
        for colour in page.locator(selector).evaluate_all("all => all.map(e => getComputedStyle(e).color)"):
            assert contrast(colour, paper) >= 4.5, (selector, colour)  # WCAG 2 AA for text
    fills = page.locator("svg .mark").evaluate_all("all => all.map(e => getComputedStyle(e).fill)")
    strokes = page.locator(".hollow .mark").evaluate_all("all => all.map(e => getComputedStyle(e).stroke)")
    for colour in {*fills, *strokes} - {paper}:
        assert contrast(colour, paper) >= 3, colour  # WCAG 2 AA for graphics
    for cell in page.locator("td.cell[style]").all():
        back, ink = cell.evaluate(
            "e => { const c = document.createElement('canvas').getContext('2d', {}); "
            "c.fillStyle = getComputedStyle(e).backgroundColor; c.fillRect(0, 0, 1, 1); "
            "return [`rgb(${c.getImageData(0, 0, 1, 1).data.slice(0, 3).join(', ')})`, getComputedStyle(e).color]; }"
        )
        assert contrast(ink, back) >= 4.5, (ink, back)


def test_a_telephone_shows_everything_without_sideways_scrolling(browser: Any, page_file: Path) -> None:
    page, _, _ = opened(browser, page_file, viewport={"width": 390, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    tables = "[...document.querySelectorAll('.scroll')].filter(e => !e.querySelector('.pairs') && e.checkVisibility())"
    assert page.evaluate(f"{tables}.filter(e => e.scrollWidth > e.clientWidth + 1).length") == 0
    letters = "[...document.querySelectorAll('svg.chart text')].map(t => t.getBoundingClientRect().height)"
    assert min(page.evaluate(letters)) >= 10  # pixels of a line of text


def test_what_is_downloaded_is_the_table_and_the_figures(browser: Any, page_file: Path, tmp_path: Path) -> None:
    page, _, problems = opened(browser, page_file, viewport={"width": 1200, "height": 900})
    found = {}
    for link in page.locator("a.button").all():
        with page.expect_download() as waiting:
            link.click()
        waiting.value.save_as(tmp_path / waiting.value.suggested_filename)
        found[waiting.value.suggested_filename] = (tmp_path / waiting.value.suggested_filename).read_text()
    assert set(found) == {"leaderboard.csv", "bars.svg", "scatter.svg", "conflfg.svg"} and problems == []
    assert (
        found["leaderboard.csv"].startswith("dataset,method,model,iid")
        and "<b>albar & co</b>" in found["leaderboard.csv"]
    )
    assert all("&lt;b&gt;albar &amp; co&lt;/b&gt;" in found[name] for name in ("bars.svg", "conflfg.svg"))


def test_without_scripts_everything_is_there(browser: Any, page_file: Path) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(page_file.as_uri())
    assert page.locator(".run").count() == 2 and page.locator(".run").nth(1).is_visible()
    assert page.locator("#leaderboard tbody tr").count() == 6
