"""Plans of papers: what they contain, what is left out, what is missing."""

from pathlib import Path

import pytest

from benchmark_builder.utils.errors import BenchError
from evaluator.papers.cost import measure
from evaluator.papers.needs import Places, given_places, look, missing
from evaluator.papers.plan import plans, read_plan
from evaluator.papers.run import PaperRun, check_scenes, run_paper
from evaluator.reports.published import published_rows
from manifests import resource

SMALL = """
title = "a small paper"
version = 1
dataset = "hmdb51"
published = "hmdb51"
recipe = "swin-t-kinetics-hmdb51"
kinds = ["scufo"]
[methods]
baseline = "None"
albar = "ALBAR"
[backgrounds]
stripes = "stripes"
places365 = "images"
[actors]
dataset = "jhmdb"
protocol = "stillmix"
[counts]
train = 10
test = 5
actors = 5
variants = 5
frames = 34
[[needs]]
name = "hmdb51"
kind = "dataset"
[[needs]]
name = "places365"
kind = "pictures"
where = "get pictures"
only_for = ["places365"]
"""


def small(folder: Path, changed: str = SMALL) -> str:
    path = folder / "small.toml"
    path.write_text(changed)
    return str(path)


@pytest.mark.parametrize("name", plans())
def test_every_method_of_a_shipped_plan_is_in_the_published_table(name: str) -> None:
    plan = read_plan(name)
    published = {row["method"] for row in published_rows(plan.published)}
    assert set(plan.methods.values()) <= published
    assert {need.name for need in plan.needs} >= {plan.dataset, plan.actors.dataset, *plan.also}
    # Every background set that draws from a folder has a need of its name.
    pictures = {name for name, kind in plan.backgrounds.items() if kind == "images"}
    assert pictures <= {need.name for need in plan.needs}


def test_every_shipped_plan_is_found() -> None:
    assert plans() == ["albar-hmdb51", "albar-kinetics400", "albar-ucf101"]
    assert len(list(resource("papers").iterdir())) == 3


def test_parts_are_left_out_with_what_only_they_need(tmp_path: Path) -> None:
    plan = read_plan(small(tmp_path)).without(["places365", "albar", "scufo"])
    assert list(plan.backgrounds) == ["stripes"]
    assert list(plan.methods) == ["baseline"]
    assert plan.kinds == ()
    assert [need.name for need in plan.needs] == ["hmdb51", "jhmdb"]


def test_a_need_of_several_parts_stays_for_the_parts_that_are_left() -> None:
    plan = read_plan("albar-hmdb51")
    needs = {need.name: need for need in plan.without(["stillmix"]).needs}
    assert needs["imagenet_weights"].only_for == ("albar+stillmix",)
    assert "imagenet_weights" not in {n.name for n in plan.without(["stillmix", "albar+stillmix"]).needs}


def test_masks_of_the_user_replace_what_the_plan_needs_for_its_own() -> None:
    plan = read_plan("albar-ucf101").with_masks("people")
    assert "segment_anything" not in {need.name for need in plan.needs}
    assert plan.actors.masks == "people"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["nothing"], "--without nothing: no part of small; its parts are stripes, places365, scufo, baseline, albar"),
        (["baseline", "albar"], "no method is left"),
        (["stripes", "places365"], "no background set is left"),
    ],
)
def test_parts_that_cannot_be_left_out(tmp_path: Path, names: list[str], said: str) -> None:
    with pytest.raises(BenchError) as error:
        read_plan(small(tmp_path)).without(names)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('albar = "ALBAR"', 'alban = "ALBAR"', "alban: no such method"),
        ('albar = "ALBAR"', "albar = 3", "methods.albar is 3; give a word"),
        ('"scufo"', '"scuf"', "scuf: no such kind"),
        ("version = 1", 'version = "one"', "version is 'one'; give a whole number, at least 1"),
        ("version = 1", "", "version is ''; is missing"),
        ('"swin-t-kinetics-hmdb51"', '"swin"', "recipe is 'swin'; give one of"),
        ('only_for = ["places365"]', 'only_for = ["places"]', "only_for names none of the parts"),
        ("[actors]", "[actor]", "actors is missing"),
        ("[counts]", "colour = 1\n[counts]", "colour"),
        ('kind = "dataset"', 'kind = "data"', "kind is 'data'; choose from dataset"),
        ("[methods]", "[methods", "not TOML"),
        ("version = 1", 'version = 1\nname = "x"', "leave it out"),
        ('stripes = "stripes"', '"../../out" = "stripes"', "is part of the names of folders"),
        ('stripes = "stripes"', '"[red]" = "stripes"', "is part of the names of folders"),
        ('places365 = "images"', 'places365 = "images:/pictures"', "its folder is the need places365"),
        ('["scufo"]', '["scuba"]', "leave out scuba"),
        ('["scufo"]', '["scufo", "scufo"]', "'scufo' is there twice"),
        ('name = "places365"', 'name = "hmdb51"', "'hmdb51' is there twice"),
        ('where = "get pictures"', 'place = "../x"', "it must be inside"),
        ('dataset = "jhmdb"', 'dataset = "jhmbd"', "no such dataset"),
        ('"stillmix"', '"stilmix"', "--protocol stilmix"),
        ('published = "hmdb51"', 'published = "hmdb"', "no such table"),
        ('albar = "ALBAR"', 'albar = "AlBaR"', "no row 'AlBaR'; choose from None"),
        ('albar = "ALBAR"', '"albar:gp=0" = "ALBAR"', "put settings into the recipe"),
        ("[actors]", '[also]\nmimetics = "mimetic"\n[actors]', "no published column 'mimetic'"),
        ("[actors]", "[tiny]\nepoch = 1\n[actors]", "[tiny]: "),
        ("[actors]", '[tiny]\nroot = "x"\n[actors]', "tiny.root"),
        ('baseline = "None"\nalbar = "ALBAR"\n', "", "methods has no method"),
        ("version = 1", 'version = 1\ndifferences = "one"', "give a list of words"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SMALL
    with pytest.raises(BenchError) as error:
        read_plan(small(tmp_path, SMALL.replace(old, new, 1)))
    assert "small.toml: " in str(error.value)
    assert said in str(error.value)


SCENES = '[[needs]]\nname = "scenes"\nkind = "weights"\nplace = "places365-resnet18"\nonly_for = ["devias"]\n'


def test_a_method_that_the_paper_does_not_have_is_a_row_and_says_what_it_needs(tmp_path: Path) -> None:
    text = SMALL.replace('albar = "ALBAR"', 'albar = "ALBAR"\ndevias = ""', 1)
    plan = read_plan(small(tmp_path, text))
    assert plan.methods["devias"] == "" and "devias" in plan.parts
    run = PaperRun(plan, tmp_path / "out", Places(plan, {}))
    with pytest.raises(BenchError, match="small: devias needs a Places365 network, which the plan does not name; add"):
        run_paper(run, lambda line: None)
    plan = read_plan(small(tmp_path, text + SCENES))
    check_scenes(PaperRun(plan, tmp_path / "out", Places(plan, {})))
    assert "scenes" not in {need.name for need in plan.without(["devias"]).needs}
    check_scenes(PaperRun(plan.without(["devias"]), tmp_path / "out", Places(plan, {})))


def test_a_missing_dataset_names_the_option_of_this_command(tmp_path: Path) -> None:
    plan = read_plan(small(tmp_path))
    found = {one.need.name: one for one in look(plan, Places(plan, {}))}
    assert "ROOT is $BENCH_DATA/jhmdb or --have jhmdb=ROOT" in found["jhmdb"].said
    assert "--root" not in found["hmdb51"].said


def test_a_step_of_every_method_is_measured(tmp_path: Path) -> None:
    """DEVIAS trains a network of its own kind."""
    text = SMALL.replace('albar = "ALBAR"', 'devias = ""', 1)
    clip = '[tiny]\nmodel = "small3d"\npreset = "scratch"\nsampling = "8x2-48"\n'
    plan = read_plan(small(tmp_path, text.replace("[actors]", f"{clip}[actors]") + SCENES))
    assert [step.method for step in measure(plan, 10, "cpu", tiny=True) if step.seconds > 0] == ["baseline", "devias"]


@pytest.mark.parametrize("needs", ["5", '["hmdb51"]', "[[1]]"])
def test_needs_that_are_no_tables(tmp_path: Path, needs: str) -> None:
    text = SMALL.partition("[[needs]]")[0].replace("version = 1", f"version = 1\nneeds = {needs}")
    with pytest.raises(BenchError, match=r"small\.toml: needs is .*; write every need as a table"):
        read_plan(small(tmp_path, text))


def test_a_file_whose_name_cannot_name_a_folder(tmp_path: Path) -> None:
    for name in ("..toml", "a b.toml"):
        (tmp_path / name).write_text(SMALL)
        with pytest.raises(BenchError, match="becomes the name of a folder"):
            read_plan(str(tmp_path / name))


def test_datasets_are_needs_even_if_the_file_does_not_list_them(tmp_path: Path) -> None:
    plan = read_plan(small(tmp_path, SMALL.replace("[actors]", '[also]\naras = "aras"\n[actors]')))
    assert [need.name for need in plan.needs] == ["hmdb51", "places365", "jhmdb", "aras"]
    assert [need.name for need in plan.without(["aras", "places365"]).needs] == ["hmdb51", "jhmdb"]


def test_places_are_read_as_text() -> None:
    assert given_places(["ucf101-24=1e3", "a=b=c"]) == {"ucf101-24": "1e3", "a": "b=c"}
    assert given_places(["a=~/b"]) == {"a": str(Path.home() / "b")}


@pytest.mark.parametrize("words", [["a"], ["a="], ["=b"], ["a=b", "a=c"]])
def test_places_that_are_malformed(words: list[str]) -> None:
    with pytest.raises(BenchError, match="--have"):
        given_places(words)


def test_weights_must_be_a_file(tmp_path: Path) -> None:
    plan = read_plan("albar-hmdb51")
    found = {one.need.name: one for one in look(plan, Places(plan, {"scenes": str(tmp_path)}))}
    assert found["scenes"].state == "missing"
    assert found["scenes"].said.startswith("this is a folder")


def test_an_unknown_name_lists_the_plans() -> None:
    with pytest.raises(BenchError, match=r"PAPER albar-hmdb: no such plan; give one of albar-hmdb51, albar-kinetics"):
        read_plan("albar-hmdb")


def test_needs_are_looked_for_at_their_places(tmp_path: Path) -> None:
    plan = read_plan(small(tmp_path))
    found = {one.need.name: one for one in look(plan, Places(plan, {}))}
    assert found["hmdb51"].state == "missing"
    assert found["hmdb51"].said.startswith("Get HMDB51")
    assert found["places365"].said == "get pictures"
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.jpg").touch()
    places = Places(plan, {"places365": str(tmp_path / "pictures")})
    found = {one.need.name: one for one in look(plan, places)}
    assert (found["places365"].state, found["places365"].said) == ("here", "1 picture")
    assert [one.need.name for one in missing(list(found.values()))] == ["hmdb51", "jhmdb"]
    with pytest.raises(BenchError, match=r"--have vqgan=…: small needs no 'vqgan'; it needs hmdb51, jhmdb, places365"):
        Places(plan, {"vqgan": "x"})


def test_the_plan_is_shown_without_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from evaluator.papers.run import PaperRun
    from evaluator.papers.show import show_plan

    plan = read_plan(small(tmp_path))
    show_plan(PaperRun(plan, tmp_path / "out", Places(plan, {})), "cpu", None)
    shown = " ".join(capsys.readouterr().out.split())
    assert "2. 4 benchmarks: stripes, places365 × scuba, scufo" in shown
    assert "6 trainings: 2 methods × 3 seeds" in shown
    assert "Missing here: hmdb51, places365, jhmdb." in shown
    assert "--without places365" in shown
    assert not (tmp_path / "out").exists()
