"""What is decoded is what ffmpeg's command line shows, bit for bit, of every kind of file that it can write here."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from benchmark_builder.audit.check_video import Checked, Checker
from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import Run, build_scuba
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video import decode as reading
from benchmark_builder.video.binary import ffmpeg_binary
from benchmark_builder.video.decode import coded_length, probe, read_frames
from benchmark_builder.video.display import in_words, turning
from benchmark_builder.video.record import Video
from benchmark_builder.video.streams import Source, best, even_times, opened

SIZE = (64, 48)
NOISE = "nullsrc=size=64x48:rate=10:duration=0.6,geq=random(1)*255:128+80*sin(X/3+N):128+80*cos(Y/4+N)"
# Every other way of coding (the options of an ffmpeg output) that decoders and converters treat in another way.
CODED = {
    "h264.mp4": "-c:v libx264", "h264_422.mp4": "-c:v libx264 -pix_fmt yuv422p",
    "h264_444.mp4": "-c:v libx264 -pix_fmt yuv444p", "h264_10bit.mp4": "-c:v libx264 -pix_fmt yuv420p10le",
    "h264_gray.mp4": "-c:v libx264 -pix_fmt gray", "h264_full.mp4": "-c:v libx264 -pix_fmt yuvj420p",
    "h264_709.mp4": "-c:v libx264 -colorspace bt709 -color_primaries bt709 -color_trc bt709",
    "h264_2020.mkv": "-c:v libx264 -pix_fmt yuv420p10le -colorspace bt2020nc -color_primaries bt2020",
    "h264_interlaced.ts": "-c:v libx264 -flags +ilme+ildct -x264opts interlaced=1", "h264.flv": "-c:v libx264",
    "mpeg4_b.avi": "-c:v mpeg4 -bf 2", "mpeg2_interlaced.mpg": "-c:v mpeg2video -flags +ilme+ildct",
    "mjpeg_422.avi": "-c:v mjpeg -pix_fmt yuvj422p", "prores.mov": "-c:v prores_ks",
    "png_alpha.mov": "-c:v png -pix_fmt rgba",
    "vp8.webm": "-c:v libvpx", "vp9_444.webm": "-c:v libvpx-vp9 -pix_fmt yuv444p", "wmv.wmv": "-c:v wmv2",
    "ffv1_411.mkv": "-c:v ffv1 -pix_fmt yuv411p", "ffv1_410.nut": "-c:v ffv1 -pix_fmt yuv410p",
    "ffv1_440.mkv": "-c:v ffv1 -pix_fmt yuv440p", "ffv1_gray10.mkv": "-c:v ffv1 -pix_fmt gray10le",
    "ffv1_rgb48.mkv": "-c:v ffv1 -pix_fmt gbrp16le", "raw_pal8.avi": "-c:v rawvideo -pix_fmt pal8",
    "theora.ogv": "-c:v libtheora", "palette.gif": "", "animated.apng": "-c:v apng", "bare.y4m": "",
    "bare.mjpg": "-c:v mjpeg",
    "odd_33x47.mp4": "-c:v mpeg4 -vf crop=33:47:0:0", "odd_47x33.webm": "-c:v libvpx -vf crop=47:33:0:0:exact=1",
    "odd_31x1.avi": "-c:v mjpeg -pix_fmt yuvj420p -vf format=rgb24,crop=31:1,format=yuvj420p",
    "one_pixel.mkv": "-c:v ffv1 -slices 1 -level 1 -pix_fmt bgr0 -vf format=bgr0,crop=1:1",
}  # fmt: skip
TURNED = {
    f"turned_{angle}{flips.replace('-display_', '_').replace(' ', '')}.{suffix}": f"-display_rotation {angle} {flips}"
    for suffix, angles in {"mp4": (0, 90, 180, 270, 45, 1, 0.4, 89.5, 88, -30), "mkv": (0, 90, 30)}.items()
    for angle in angles
    for flips in ("", "-display_hflip", "-display_vflip", "-display_hflip -display_vflip")
    if angle in (0, 90, 45) or not flips
}


def ffmpeg(*arguments: str | Path) -> bytes:
    done = subprocess.run([ffmpeg_binary(), "-v", "error", "-nostdin", "-y", *map(str, arguments)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def shown(path: Path, like: np.ndarray) -> np.ndarray:
    """What ffmpeg's command line makes of a file; ``like``: the frames whose height and width it must have."""
    raw = ffmpeg("-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    return np.frombuffer(raw, np.uint8).reshape(-1, *like.shape[1:])


def check_against_ffmpeg(path: Path) -> np.ndarray:
    ours, info = np.stack(list(read_frames(path))), probe(path)
    assert ours.shape[1:] == (info.height, info.width, 3)
    theirs = shown(path, ours)
    # PyAV and the binary bring their own swscale; their versions may round otherwise, which costs one step at most.
    assert ours.shape == theirs.shape and np.abs(ours.astype(int) - theirs).max() <= 1
    return ours


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of every kind of :data:`CODED`, written by one run of ffmpeg from the same noise."""
    folder = tmp_path_factory.mktemp("coded")
    options = [word for name, own in CODED.items() for word in (*own.split(), str(folder / name))]
    ffmpeg("-f", "lavfi", "-i", NOISE, *options)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of H.264 with B-frames, 10 a second."""
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=1.2", "-c:v", "libx264", path)
    return path


@pytest.mark.parametrize("name", CODED)
def test_pixels_are_those_of_ffmpegs_command_line(coded: Path, name: str) -> None:
    assert len(check_against_ffmpeg(coded / name)) == 6
    # A bare stream of JPEGs says no rate; ffmpeg takes 25 a second.
    assert probe(coded / name).fps == pytest.approx(25 if name == "bare.mjpg" else 10)


@pytest.mark.parametrize("name", TURNED)
def test_turned_and_mirrored_as_ffmpegs_command_line_does(plain: Path, tmp_path: Path, name: str) -> None:
    ffmpeg(*TURNED[name].split(), "-i", plain, "-c", "copy", tmp_path / name)
    check_against_ffmpeg(tmp_path / name)
    found = Checker(tmp_path).make(Video("c/a", tmp_path / name, 0, "c", "all", "folder"))
    assert found.state in ("ok", "note") and found.frames_decoded == 12


def test_a_bitstream_that_turns_and_crops_itself(plain: Path, tmp_path: Path) -> None:
    for number, change in enumerate(("rotate=90:flip=vertical", "crop_left=4:crop_top=2")):
        ffmpeg("-i", plain, "-c", "copy", "-bsf:v", f"h264_metadata={change}", tmp_path / f"{number}.mp4")
        check_against_ffmpeg(tmp_path / f"{number}.mp4")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_that_turns_its_jpegs(tmp_path: Path, orientation: int) -> None:
    """Motion JPEG whose pictures carry EXIF, of which the frame has side data that PyAV may not know."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg", exif=exif)
    ffmpeg("-f", "image2", "-i", tmp_path / "a.jpg", "-c", "copy", tmp_path / "a.avi")
    found = check_against_ffmpeg(tmp_path / "a.avi")
    assert found.shape[1:3] == ((48, 64) if orientation < 5 else (64, 48))


def test_a_crop_of_the_container(plain: Path, tmp_path: Path) -> None:
    """Matroska's PixelCrop, put in place of the display size that ffmpeg writes."""
    ffmpeg("-i", plain, "-c", "copy", "-aspect", "2:1", tmp_path / "a.mkv")
    data = (tmp_path / "a.mkv").read_bytes()
    for name, crop, pixels in (("54b081", "54cc81", 8), ("54ba81", "54bb81", 4)):  # width: from the left, height: top
        place = data.index(bytes.fromhex(name))
        data = data[:place] + bytes.fromhex(crop) + bytes([pixels]) + data[place + 4 :]
    (tmp_path / "a.mkv").write_bytes(data)
    assert check_against_ffmpeg(tmp_path / "a.mkv").shape[1:3] == (44, 56)


@pytest.mark.parametrize(
    ("matrix", "filters", "words"),
    [
        ((1, 0, 0, 0, 1, 0, 0, 0, 1), (), ""),
        ((-1, 0, 0, 0, 1, 0, 0, 0, 1), ("hflip",), "mirrored left to right"),
        ((1, 0, 0, 0, -1, 0, 0, 0, 1), ("vflip",), "mirrored top to bottom"),
        ((-1, 0, 0, 0, -1, 0, 0, 0, 1), ("hflip", "vflip"), "rotated by 180 degrees"),
        ((0, 1, 0, -1, 0, 0, 0, 0, 1), ("clock",), "rotated by 90 degrees clockwise"),
        ((0, -1, 0, 1, 0, 0, 0, 0, 1), ("cclock",), "rotated by 90 degrees counter-clockwise"),
        ((0, 1, 0, 1, 0, 0, 0, 0, 1), ("cclock_flip",), "rotated by 90 degrees counter-clockwise and mirrored top to"),
        ((0, -1, 0, -1, 0, 0, 0, 0, 1), ("clock_flip",), "rotated by 90 degrees clockwise and mirrored top to bottom"),
        ((1, 1, 0, -1, 1, 0, 0, 0, 1), ("45.000000*PI/180",), "rotated by 45 degrees clockwise, on black"),
        ((1, -1, 0, 1, 1, 0, 0, 0, 1), ("315.000000*PI/180",), "rotated by 45 degrees counter-clockwise, on black"),
        ((0, 0, 0, 0, 0, 0, 0, 0, 0), (), ""),
        (None, (), ""),
    ],
)
def test_what_a_display_matrix_asks_for(matrix: Sequence[int] | None, filters: tuple[str, ...], words: str) -> None:
    found = turning(None if matrix is None else [65536 * n for n in matrix])
    assert tuple(arguments or name for name, arguments in found) == filters
    assert in_words(found).startswith(words) and bool(in_words(found)) == bool(words)


def test_a_damaged_file_may_ask_for_what_is_before_its_start(plain: Path) -> None:
    with open(plain, "rb") as file:
        source = Source(file, ".mp4")
        assert source.seek(-1) < 0 and source.seek(0, 7) < 0 and source.seek(4) == source.tell() == 4


# --- Which stream ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cover picture, a sound, and a small video."""
    folder = tmp_path_factory.mktemp("pieces")
    inputs = ["testsrc=size=80x80:rate=1:duration=1", "sine=duration=1", "testsrc2=size=32x32:rate=10:duration=0.5"]
    given = [word for source in inputs for word in ("-f", "lavfi", "-i", source)]
    sound, small = ["-map", "1", "-c:a", "aac"], ["-map", "2", "-c:v", "libx264"]
    ffmpeg(*given, "-map", "0", folder / "cover.jpg", *sound, folder / "sound.mp4", *small, folder / "small.mp4")
    return folder


COVER = "-disposition:v:{} attached_pic"
STREAMS = {  # file -> the inputs in order, and options
    "cover_first.mp4": ("cover.jpg plain.mp4", COVER.format(0)),
    "cover_second.mp4": ("plain.mp4 cover.jpg", COVER.format(1)),
    "picture_track.mp4": ("cover.jpg plain.mp4", "-disposition:v:0 0"),
    "small_first.mp4": ("small.mp4 plain.mp4", ""),
    "small_first.avi": ("small.mp4 plain.mp4", ""),
    "small_first.ts": ("small.mp4 plain.mp4", ""),
    "small_default.mkv": ("plain.mp4 small.mp4", "-disposition:v:0 0 -disposition:v:1 default"),
    "big_default.mkv": ("small.mp4 plain.mp4", "-disposition:v:0 0 -disposition:v:1 default"),
    "sound_first.mkv": ("sound.mp4 plain.mp4", ""),
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_stream_that_ffmpegs_command_line_takes(plain: Path, pieces: Path, tmp_path: Path, name: str) -> None:
    files, options = STREAMS[name]
    paths = [plain if file == plain.name else pieces / file for file in files.split()]
    given = [word for path in paths for word in ("-i", str(path))]
    maps = [word for k in range(len(paths)) for word in ("-map", str(k))]
    ffmpeg(*given, *maps, "-c", "copy", *options.split(), tmp_path / name)
    check_against_ffmpeg(tmp_path / name)


def test_an_attached_picture_is_no_video(plain: Path, pieces: Path, tmp_path: Path) -> None:
    attach = ["-attach", pieces / "cover.jpg", "-metadata:s:t", "mimetype=image/jpeg"]
    ffmpeg("-i", plain, *attach, "-c", "copy", tmp_path / "video.mkv")
    ffmpeg("-i", pieces / "sound.mp4", *attach, "-c", "copy", tmp_path / "sound.mkv")
    cover = [*COVER.format(0).split(), "-map", "0", "-map", "1", "-c", "copy"]
    ffmpeg("-i", pieces / "sound.mp4", "-i", pieces / "cover.jpg", *cover, tmp_path / "sound.mp4")
    check_against_ffmpeg(tmp_path / "video.mkv")
    for name in ("sound.mkv", "sound.mp4"):
        with pytest.raises(BenchError, match=r"contains no video stream \(only a cover picture\)"):
            probe(tmp_path / name)
        with pytest.raises(BenchError, match="only a cover picture"):
            next(read_frames(tmp_path / name))
    with pytest.raises(BenchError, match="contains no video stream; replace"):
        probe(pieces / "sound.mp4")


LISTS = {
    "a.avi": "ffconcat version 1.0\nfile plain.mp4\n",
    "b.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nplain.mp4\n#EXT-X-ENDLIST\n",
    "c.mkv": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "d.mp4": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
    '<Representation mimeType="video/mp4"><BaseURL>plain.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "e.avi": "[playlist]\nFile1=plain.mp4\n",
    "f.webm": "ffmpeg metadata\n",
    "g.mp4": "WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n",
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_a_text_that_names_other_files_is_no_video(plain: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "plain.mp4").write_bytes(plain.read_bytes())
    (tmp_path / name).write_text(LISTS[name])
    for read in (probe, lambda path: next(read_frames(path))):
        with pytest.raises(BenchError, match=f"{name}: not a readable video"):
            read(tmp_path / name)


def test_a_picture_under_a_videos_name_is_no_video(pieces: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes((pieces / "cover.jpg").read_bytes())
    with pytest.raises(BenchError, match=r"a\.mp4: not a readable video \(its content is not a video\)"):
        probe(tmp_path / "a.mp4")


def test_a_codec_that_nobody_knows_is_named(tmp_path: Path, plain: Path) -> None:
    ffmpeg("-i", plain, "-c:v", "mpeg4", tmp_path / "a.avi")
    data = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "a.avi").write_bytes(data.replace(b"FMP4", b"ZZZZ").replace(b"fmp4", b"ZZZZ"))
    with pytest.raises(BenchError, match=r"a\.avi: PyAV cannot decode its codec"):
        probe(tmp_path / "a.avi")


# --- The rate -------------------------------------------------------------------------------------------------------

# 90 frames, 30 a second, of which 10 then 29 are kept: (n - 1) / (last - first) = 49 / (89 / 30).
UNEVEN, MEAN = "testsrc2=size=32x32:rate=30:duration=3,select='not(mod(n,3))+gt(n,60)'", 49 / (89 / 30)
PAUSE = "testsrc2=size=32x32:rate=30:duration=1.5,setpts='if(gt(N,30),PTS+3/TB,PTS)'"
VARIABLE = {
    "a.mp4": "libx264", "a.mov": "libx264", "a.mkv": "libx264", "a.webm": "libvpx", "a.flv": "flv",
    "a.ts": "mpeg2video",
    "a.asf": "msmpeg4v3", "a.nut": "ffv1", "a.avi": "mpeg4", "a.3gp": "mpeg4", "a.mpg": "mpeg2video", "a.gif": "gif",
    "fragments.mp4": "libx264 -movflags frag_keyframe+empty_moov",
}  # fmt: skip


@pytest.fixture(scope="module")
def variable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("variable")
    outputs = [
        word
        for name, codec in VARIABLE.items()
        for word in ("-fps_mode", "vfr", "-c:v", *codec.split(), str(folder / name))
    ]
    ffmpeg("-f", "lavfi", "-i", UNEVEN, *outputs)
    return folder


def inspected(path: Path) -> Checked:
    return Checker(path.parent).make(Video("c/a", path, 0, "c", "all", "folder"))


@pytest.mark.parametrize("name", VARIABLE)
def test_a_variable_rate_is_the_mean_of_the_frames_times(variable: Path, name: str) -> None:
    # Clocks of a thousandth, GIF's of a hundredth of a second, round the span of 2.97 s by one tick at most.
    assert probe(variable / name).fps == pytest.approx(MEAN, rel=0.011 / 2.97 if name == "a.gif" else 0.0011 / 2.97)
    found = inspected(variable / name)
    assert found.state == "note" and found.variable_rate and found.frames_decoded == 50
    assert found.words("variable rate") == f"variable frame rate; a build uses the mean, {found.fps:.6g} fps"
    assert found.fps == round(probe(variable / name).fps, 6)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_a_long_pause_counts(tmp_path: Path, name: str) -> None:
    ffmpeg("-f", "lavfi", "-i", PAUSE, "-fps_mode", "vfr", "-c:v", "libx264", tmp_path / name)
    assert probe(tmp_path / name).fps == pytest.approx(44 / (44 / 30 + 3), rel=1e-3)


@pytest.mark.parametrize(("rate", "name"), [("30000/1001", "a.mkv"), ("24000/1001", "a.flv"), ("24000/1001", "a.ts")])
def test_rounded_times_leave_a_steady_rate_exact(tmp_path: Path, rate: str, name: str) -> None:
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=size=32x32:rate={rate}:duration=2", "-c:v", "libx264", tmp_path / name)
    assert probe(tmp_path / name).fps == float(Fraction(rate)) and inspected(tmp_path / name).state == "ok"


def test_a_header_that_lies_about_a_steady_rate_is_not_believed(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=32x32:rate=10:duration=3", "-c:v", "libx264", tmp_path / "a.mkv")
    data = (tmp_path / "a.mkv").read_bytes()
    place = data.index(bytes.fromhex("23e383")) + 3  # DefaultDuration in nanoseconds, after its length
    length = data[place] & 0x7F
    said = (40_000_000).to_bytes(length, "big")
    (tmp_path / "a.mkv").write_bytes(data[: place + 1] + said + data[place + 1 + length :])
    assert probe(tmp_path / "a.mkv").fps == 10


def test_frames_that_an_edit_list_hides_do_not_count(plain: Path, tmp_path: Path) -> None:
    ffmpeg("-ss", "0.4", "-i", plain, "-c", "copy", tmp_path / "a.mp4")
    assert probe(tmp_path / "a.mp4").fps == 10 and coded_length(tmp_path / "a.mp4") == 12
    assert len(check_against_ffmpeg(tmp_path / "a.mp4")) == 8


def test_a_bare_stream_without_times_is_noted(plain: Path, tmp_path: Path) -> None:
    ffmpeg("-i", plain, "-c", "copy", "-bsf:v", "h264_mp4toannexb", tmp_path / "a.h264")
    check_against_ffmpeg(tmp_path / "a.h264")
    found = inspected(tmp_path / "a.h264")
    assert found.fps == 10 and found.words("no times") == "its frames have no times; a build uses 10 fps"


def test_one_frame_alone_plays_at_no_clocks_rate(plain: Path, tmp_path: Path) -> None:
    ffmpeg("-i", plain, "-frames:v", "1", tmp_path / "a.mp4", "-frames:v", "1", tmp_path / "a.gif")
    assert probe(tmp_path / "a.mp4").fps == probe(tmp_path / "a.gif").fps == 10


def test_the_rate_of_a_steady_mp4_or_avi_is_known_without_reading_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ("-f", "lavfi", "-i", "testsrc2=size=32x32:rate=30:duration=8")
    ffmpeg(*source, "-c:v", "libx264", tmp_path / "a.mp4", "-c:v", "mpeg4", tmp_path / "a.avi")
    read: list[int] = []
    original = reading.decode

    def counted(*arguments: object) -> object:
        for packet, found in original(*arguments):  # type: ignore[arg-type]
            read.append(1)
            yield packet, found

    monkeypatch.setattr(reading, "decode", counted)
    for name in ("a.mp4", "a.avi"):
        read.clear()
        assert probe(tmp_path / name).fps == 30 and len(read) < 10
        with opened(tmp_path / name) as (container, stream):
            assert best(container) is stream and len(even_times(stream) or ()) == 240


# --- Counts ---------------------------------------------------------------------------------------------------------


def test_an_avi_of_variable_rate_was_not_cut(variable: Path) -> None:
    found = inspected(variable / "a.avi")
    assert found.frames_header == 90 == coded_length(variable / "a.avi") and found.state == "note"


@pytest.mark.parametrize(("extra", "problem"), [(1, ""), (2, "12 frames, but its header says 14"), (0, "")])
def test_the_empty_packet_of_a_packed_avi_is_no_finding(plain: Path, tmp_path: Path, extra: int, problem: str) -> None:
    """HMDB51's AVIs hold a packet of one byte after the first, which the header counts and which gives no frame."""
    ffmpeg("-i", plain, "-c:v", "mpeg4", "-vtag", "QMP4", tmp_path / "a.avi")  # a tag of which such packets are known
    with av.open(tmp_path / "a.avi") as source, av.open(tmp_path / "b.avi", "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.codec_context.codec_tag = "QMP4"
        packets = [p for p in source.demux(video=0) if p.size]
        packets[1:1] = [av.Packet(b"\x7f") for _ in range(extra)]
        for time, packet in enumerate(packets):
            packet.stream, packet.time_base = stream, Fraction(1, 10)
            packet.pts = packet.dts = time
            target.mux(packet)
    found = inspected(tmp_path / "b.avi")
    assert (found.frames_decoded, found.frames_header) == (12, 12 + extra)
    assert found.words("count") == problem and found.fps == 10


# --- Frames, skipped and as before -----------------------------------------------------------------------------------


def test_a_skipped_frame_is_passed_over(coded: Path) -> None:
    frames = read_frames(coded / "h264.mp4")
    assert isinstance(frames, reading.Frames) and frames.skip() and frames.skip()
    third = list(islice(read_frames(coded / "h264.mp4"), 3))[2]
    assert (next(frames) == third).all() and len(list(frames)) == 3 and not frames.skip()


def test_frames_are_as_before_for_benchmarks_of_version_1(plain: Path, tmp_path: Path) -> None:
    ffmpeg("-display_hflip", "-i", plain, "-c", "copy", tmp_path / "a.mp4")
    upright = next(read_frames(plain))
    assert (next(read_frames(tmp_path / "a.mp4")) == upright[:, ::-1]).all()
    assert (next(read_frames(tmp_path / "a.mp4", version=1)) == upright[::-1, ::-1]).all()


@pytest.fixture(scope="module")
def built(plain: Path, coded: Path, variable: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of odd files, whose masks cover everything, as lossless and as virtual SCUBA."""
    folder = tmp_path_factory.mktemp("built")
    sources = folder / "r" / "Archery"
    sources.mkdir(parents=True)
    ffmpeg("-display_hflip", "-i", plain, "-c", "copy", sources / "mirrored.mp4")
    ffmpeg("-display_rotation", "45", "-i", plain, "-c", "copy", sources / "odd.mp4")
    ffmpeg("-ss", "0.4", "-i", plain, "-c", "copy", sources / "hidden.mp4")
    for path in (coded / "h264_interlaced.ts", coded / "h264_10bit.mp4", variable / "a.webm", variable / "a.avi"):
        shutil.copy(path, sources / f"{path.stem}_{path.suffix[1:]}{path.suffix}")
    for path in sources.iterdir():
        info, count = probe(path), sum(1 for _ in read_frames(path))
        write_masks(folder / "m" / "Archery" / f"{path.stem}.zip", np.ones((count, info.height, info.width), bool))
    for layout in ("lossless", "virtual"):
        build_scuba(
            "folder", folder / "r", "all", masks=f"stored:{folder / 'm'}", out=folder / layout, layout=layout,
            per_video=1, run=Run(workers=1, progress=False, say=lambda line: None),
        )  # fmt: skip
    return folder


@pytest.mark.parametrize("layout", ["lossless", "virtual"])
def test_odd_files_are_built_and_verified(built: Path, layout: str) -> None:
    assert verify(built / layout, progress=False) == []
    benchmark = read_benchmark(built / layout)
    assert len(benchmark.rows) == 7 and "shorter" not in (built / layout / "failures.csv").read_text()
    for row in benchmark.rows:
        source = built / "r" / row.source_file
        assert row.fps == round(probe(source).fps, 6)
        for frame, original in zip(benchmark.frames(row), read_frames(source), strict=True):
            assert (frame == original).all()


def test_a_virtual_benchmark_of_version_1_is_composed_as_it_was(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built / "virtual", tmp_path / "old")
    protocol = json.loads((tmp_path / "old" / "protocol.json").read_text())
    del protocol["protocol"]["version"]
    (tmp_path / "old" / "protocol.json").write_text(json.dumps(protocol))
    benchmark = read_benchmark(tmp_path / "old", built / "r")
    row = next(row for row in benchmark.rows if row.source_id.endswith("mirrored"))
    before = read_frames(built / "r" / row.source_file, version=1)
    assert all((a == b).all() for a, b in zip(benchmark.frames(row), before, strict=True))
