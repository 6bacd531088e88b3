"""The driver of scripts/reproduce-results: trains and evaluates runs, MAE beside U-MAE, that are not there yet."""
import argparse
import concurrent.futures
import csv
import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import report

PACKAGE = Path(__file__).resolve().parent.parent.parent
SEEDS = (0, 1, 2)
SHORT, LONG = 15, 60


@dataclass(frozen=True)
class Run:
    """One training: what it is called, and how it differs from the others."""

    group: str
    label: str
    seed: int
    data: str = "cifar10"
    lamb: float = 0.01
    epochs: int = SHORT
    ranks: int = 1
    flags: tuple = field(default=())

    @property
    def name(self):
        return f"{self.group}-{self.label}-s{self.seed}"

    def flag(self, name, usual):
        return self.flags[self.flags.index(name) + 1] if name in self.flags else usual

    @property
    def gradient(self):
        return self.flag("--uniformity-gradient", "exact")

    @property
    def feature(self):
        return self.flag("--feature", "cls")

    @property
    def is_trained_on(self):
        """Whether probes that see the images again in every epoch are trained too: they take as long as the run."""
        return self.group == "lambda" and self.lamb in (0, 0.01)

    def settings(self):
        """What sets this run apart, as columns."""
        return {
            "run": self.name, "group": self.group, "seed": self.seed, "data": self.data, "lambda": self.lamb,
            "ranks": self.ranks, "gradient": self.gradient,
            "effective_lambda": self.lamb / (self.ranks if self.gradient == "reference" else 1),
            "epochs": self.epochs, "mask_ratio": self.flag("--mask-ratio", 0.75), "feature": self.feature,
            "negatives": self.flag("--batch-size", 256),
        }

    def arguments(self, paths):
        shape = ["--input-size", "32", "--in-chans", "3"] if self.data == "cifar10" else []
        batch = [] if "--batch-size" in self.flags else ["--effective-batch-size", "256"]
        return [
            *shape, *batch, "--data-path", paths[self.data], "--lamb", repr(self.lamb), "--epochs", str(self.epochs),
            "--seed", str(self.seed), *self.flags,
        ]


def runs():
    """All of them, the most telling first."""
    def each(group, label, **options):
        return [Run(group, label, seed, **options) for seed in SEEDS]

    found = []
    for lamb in (0, 0.01, 0.1, 1, 0.00125, 0.000625, 0.0025, 0.005):
        found += each("lambda", f"{lamb:g}", lamb=lamb)
    # The public gather divides the gradient by the number of ranks: λ = 0.01 at W ranks is λ/W.
    for ranks in (8, 4, 2):
        found += each(
            "reference", f"w{ranks}", ranks=ranks, flags=("--uniformity-gradient", "reference"))
    for feature in ("cls-once", "pooled"):
        found += each("feature", f"{feature}-0.01", flags=("--feature", feature))
    for lamb in (0, 0.01):
        found += each("long", f"{lamb:g}", lamb=lamb, epochs=LONG)
    for ratio in (0.5, 0.9):
        for lamb in (0, 0.01):
            found += each("mask", f"{ratio:g}-{lamb:g}", lamb=lamb, flags=("--mask-ratio", str(ratio)))
    for lamb in (0, 0.01, 0.1):
        found += each("fashion", f"{lamb:g}", data="fashion-mnist", lamb=lamb)
    # One effective batch, rate and number of updates; only what a feature is compared with differs.
    for count in (64, 256, 1024):
        found += each("negatives", f"{count}", flags=(
            "--batch-size", str(count), "--accum-iter", str(1024 // count), "--negatives", "micro", "--lr", "0.004"))
    return found


class Trainer:
    """Trains runs by the program, each in a directory of its own."""

    def __init__(self, program, root, paths):
        self.program, self.root, self.paths = program, root, paths

    def is_done(self, run):
        return (self.root / run.name / "done").exists()

    def train(self, run):
        if self.is_done(run):
            return
        directory = self.root / run.name
        launcher = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(run.ranks)] if run.ranks > 1 else []
        if run.ranks > 1 and os.geteuid() == 0:
            launcher.insert(1, "--allow-run-as-root")
        command = launcher + [
            self.program, "pretrain", *run.arguments(self.paths), "--threads", "1", "--num-workers", "0",
            "--eval-every", "0", "--output-dir", str(directory), "--resume", "auto", "--checkpoint-every", "5",
            "--keep-checkpoints", "1",
        ]
        directory.mkdir(parents=True, exist_ok=True)
        with open(self.root / f"{run.name}.txt", "a") as log:
            subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=True)
        (directory / "done").touch()


class Evaluator:
    """Asks the program what the features of a run are worth, and keeps the answers in CSV files."""

    PROBED = ("cls", "cls-once", "pooled")

    def __init__(self, program, root, paths, folder):
        self.program, self.root, self.paths = program, root, paths
        self.runs, self.spectra = folder / "runs.csv", folder / "singular-values.csv"
        self.trained = folder / "trained-probes.csv"
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = threading.Lock()
        self.known = {path: self.names(path) for path in (self.runs, self.trained)}

    @staticmethod
    def names(path):
        if not path.exists():
            return set()
        with open(path, newline="") as file:
            return {row["run"] for row in csv.DictReader(file)}

    def is_done(self, run):
        return run.name in self.known[self.runs] and (not run.is_trained_on or run.name in self.known[self.trained])

    def ask(self, command, run, *arguments):
        result = subprocess.run(
            [self.program, command, str(self.root / run.name), *arguments, "--json", "--threads", "1", "--data-path",
             self.paths[run.data]], stdout=subprocess.PIPE, text=True)
        if result.returncode:
            sys.exit(f"umae-dist {command} of {run.name} ended with exit code {result.returncode}")
        return json.loads(result.stdout)

    def evaluate(self, run):
        if run.name in self.known[self.runs]:
            return
        with open(self.root / run.name / "log.txt") as log:
            last = json.loads(log.readlines()[-1])
        row = run.settings() | {"train_reconstruction": last["train_loss_mae"], "train_regularizer": last["train_loss_reg"]}
        linear = self.ask("linprobe", run, "--probe", "logistic", "--l2", "1e-4", "--feature", ",".join(self.PROBED))
        row |= {f"linear_{each['feature']}": each["top1"] for each in linear["classifiers"]}
        for feature in self.PROBED:
            row[f"knn_{feature}"] = self.ask("knn", run, "--neighbors", "20", "--feature", feature)["20"]
        found = self.ask("analyze", run, "--mask-ratios", "none", "--lidar-images", "500")[0]
        trained = found["trained"]
        row |= {
            "rankme": found["raw"]["rank_me"], "rankme_centred": found["centred"]["rank_me"],
            "participation": found["raw"]["participation_ratio"],
            "participation_centred": found["centred"]["participation_ratio"],
            "alpha": found["centred"]["power_law_exponent"], "lidar": found["lidar"],
            "mean_squared_cosine": found["pairs"]["mean_squared_cosine"], "uniformity": found["pairs"]["uniformity"],
            "class_cosine": found["pairs"]["class_alignment"], "other_class_cosine": found["pairs"]["other_class_cosine"],
            "alignment": trained["alignment"], "labelling_error": trained["labelling_error"],
            "test_reconstruction": trained["reconstruction"],
        }
        with self.lock:
            self.append(self.runs, [row])
            self.append(self.spectra, [
                {"run": run.name, "index": index + 1, "raw": f"{raw:.6g}", "centred": f"{centred:.6g}"}
                for index, (raw, centred) in enumerate(
                    zip(found["raw"]["singular_values"], found["centred"]["singular_values"]))])
            self.known[self.runs].add(run.name)

    def train_probes(self, run):
        """An attentive probe, five epochs, and the encoder itself, three: whole images, no augmentation."""
        if not run.is_trained_on or run.name in self.known[self.trained]:
            return
        attentive = self.ask(
            "linprobe", run, "--probe", "attentive", "--epochs", "5", "--warmup-epochs", "1", "--output-dir",
            str(self.root / f"{run.name}-attentive"))
        directory = self.root / f"{run.name}-fine-tuned"
        subprocess.run(
            [self.program, "finetune", str(self.root / run.name), "--recipe",
             str(PACKAGE / "recipes/finetune-cifar10.yaml"), "--epochs", "3", "--warmup-epochs", "1",
             "--effective-batch-size", "256", "--accum-iter", "1", "--seed", str(run.seed), "--threads", "1",
             "--num-workers", "0", "--data-path", self.paths[run.data], "--output-dir", str(directory),
             "--resume", "auto", "--keep-checkpoints", "1"],
            stdout=subprocess.DEVNULL, check=True)
        with open(directory / "log.txt") as log:
            fine_tuned = json.loads(log.readlines()[-1])["test_acc1"] / 100
        with self.lock:
            self.append(self.trained, [
                {"run": run.name, "seed": run.seed, "lambda": run.lamb, "attentive": attentive["top1"],
                 "fine_tuned": fine_tuned}])
            self.known[self.trained].add(run.name)

    @staticmethod
    def append(path, rows):
        is_new = not path.exists()
        with open(path, "a", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            if is_new:
                writer.writeheader()
            for row in rows:
                writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})


def main():
    parser = argparse.ArgumentParser(
        prog="reproduce-results", description="Trains and evaluates the runs of docs/results.md, and writes its tables.")
    parser.add_argument("--cifar10", help="directory of CIFAR-10: binary files, .npy arrays or a folder of images")
    parser.add_argument("--fashion-mnist", default="/usr/share/datasets/fashion-mnist", help="directory of its IDX files")
    parser.add_argument("--runs", type=Path, default=Path("results"), help="where the runs are kept (default: results)")
    parser.add_argument(
        "--csv", type=Path, default=PACKAGE / "docs/results", help="where the figures go (default: docs/results)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, each of one thread (default: 2)")
    parser.add_argument("--only", default="", help="runs whose name begins so")
    parser.add_argument("--report", action="store_true", help="write tables and plot from what there is, and stop")
    parser.add_argument("--list", action="store_true", help="say what there is, and stop")
    options = parser.parse_args()

    if options.report:
        return report.write(options.csv, PACKAGE / "docs/results.md")
    if options.cifar10 is None and not options.list:
        parser.error("--cifar10 says where CIFAR-10 is")
    program = os.environ.pop("UMAE_DIST", None) or str(PACKAGE / ".build/release/umae-dist")
    if not shutil.which(program):
        sys.exit(f"{program} is not there: build it with scripts/build")
    paths = {"cifar10": options.cifar10, "fashion-mnist": options.fashion_mnist}
    trainer = Trainer(program, options.runs, paths)
    evaluator = Evaluator(program, options.runs, paths, options.csv)
    wanted = [run for run in runs() if run.name.startswith(options.only)]
    if options.list:
        for run in wanted:
            print(f"{'done' if evaluator.is_done(run) else 'open'}  {run.name}")
        return
    options.runs.mkdir(parents=True, exist_ok=True)

    def work(run):
        # Of a run whose figures are there the weights may be elsewhere.
        if evaluator.is_done(run):
            return
        trainer.train(run)
        evaluator.evaluate(run)
        evaluator.train_probes(run)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(work, run) for run in wanted]):
            try:
                done.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    report.write(options.csv, PACKAGE / "docs/results.md")


if __name__ == "__main__":
    main()
