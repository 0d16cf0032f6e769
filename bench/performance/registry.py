"""Every measure, in the order in which they run and are shown."""

from __future__ import annotations

from collections.abc import Mapping

from bench.one_measure import Measure
from bench.performance.bench import Bench
from bench.performance.measures import (
    api,
    encoders,
    latency,
    library,
    memory,
    operation_costs,
    overlap,
    quality,
    requests,
    worker,
)

MEASURES: Mapping[str, Measure[Bench]] = {
    "worker": Measure(
        "CPU of the worker for one order, beside peers",
        "Milliseconds of CPU of the whole process tree for one order. The worker also downloads from and uploads "
        "to S3, keeps the record and settles the message; the peers only read and write files.",
        worker.measure,
        worker.lines,
    ),
    "library": Measure(
        "CPU of pixels alone, in one process",
        "`width800` goes from memory to memory, except for bare Pillow, which reads and writes files. `sepia` is "
        "at the full size of the photo.",
        library.measure,
        library.lines,
    ),
    "operations": Measure(
        "CPU of every operation, beside sharp",
        "One job on the whole photo S7 (12 megapixels), with the parameters of its example in `GET /v1/operations`, "
        "from memory to a JPEG of quality 80. `convert` only decodes and encodes; the second column is what an "
        "operation takes beyond it. Results may be smaller or larger than the photo. sharp has a dash where it lacks "
        "the operation.",
        operation_costs.measure,
        operation_costs.lines,
    ),
    "quality": Measure(
        "SSIM and PSNR of each picture, beside peers",
        "Each result against the photo decoded at full size and resampled in floating point with Lanczos. SSIM is "
        "that of the luma, PSNR that of all channels.",
        quality.measure,
        quality.lines,
    ),
    "encoders": Measure(
        "CPU, size and quality of each setting of the encoders",
        "Pictures made from the photos S7, Oppo and Leica. The default is the setting that gives the same file as "
        "Darkroom.",
        encoders.measure,
        encoders.lines,
    ),
    "memory": Measure(
        "Memory of a child process",
        "Resident memory of a child for one order `mixed`, pages that it shares with other children included.",
        memory.measure,
        memory.lines,
    ),
    "api": Measure(
        "CPU of the API for one upload, beside a minimal app",
        "The minimal app is Flask under the same gunicorn with the leanest calls of boto3: it stores the body, "
        "puts an item and sends a message.",
        api.measure,
        api.lines,
    ),
    "requests": Measure(
        "Requests to AWS for each photo of a backlog",
        "Exact counts, taken on the way to the emulator. What is left out stands below the table.",
        requests.measure,
        requests.lines,
    ),
    "overlap": Measure(
        "Pixels while AWS is waited for",
        "The API and the emulator run on the last CPU, and the worker on the first one or on both. In the rows with "
        "children the worker runs on both CPUs with a quota of CPU time (a cgroup), so that enough is left for the API "
        "and the emulator. Time ends when the last photo is completed. The ends of the backlog are the times before "
        "its first photo is completed, and after the last but one: then a worker only waits for AWS.",
        overlap.measure,
        overlap.lines,
    ),
    "latency": Measure(
        "Time from the answer to an upload to its results, when idle",
        "A worker that waits gets one photo with the preset `web`. While a poll waits, the embedded emulator looks for "
        "messages every 100 ms, so it hands out a message later than AWS does. This delay is measured for each photo, "
        "and subtracted for the ratio.",
        latency.measure,
        latency.lines,
    ),
}
