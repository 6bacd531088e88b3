// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// A module of the product; imports point downward only, in the order of the list below.
func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil) -> Target {
    .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

let package = Package(
    name: "umae-dist",
    products: [
        .executable(name: "umae-dist", targets: ["umae-dist"]),
        // Only for tests, which preload them.
        .library(name: "AllocationCounter", type: .dynamic, targets: ["AllocationCounter"]),
        .library(name: "FaultInjector", type: .dynamic, targets: ["FaultInjector"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // 0: system libraries and C
        .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg62-turbo-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
        .target(name: "CImageCodecs", dependencies: ["CJPEG", "CPNG"]),
        .target(name: "CTar", dependencies: ["CArchive"]),
        .target(name: "COpenBLAS", linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "CMPIShim", dependencies: ["COpenMPI"]),
        .target(name: "CVectorKernels"),
        .target(name: "CStopSignals"),
        .target(name: "CMemoryFile"),
        .plugin(name: "BuildCommit", capability: .buildTool()),
        .target(name: "BuildIdentity", swiftSettings: settings, plugins: ["BuildCommit"]),
        // 1: the machine, memory and messages
        module("Host", ["CMemoryFile", "CZlib"]),
        module("Tensors", ["CVectorKernels", "Host"]),
        module("LinearAlgebra", ["COpenBLAS", "Tensors"]),
        module("Communication", ["CMPIShim", "Host", "Tensors"]),
        // 2: layers, the decoding of images, files of tensors, settings
        module("Layers", ["Tensors", "CVectorKernels"]),
        module("ImageCodecs", ["CImageCodecs", "Tensors"]),
        module("Safetensors", ["Host", "Tensors"]),
        // Flags, recipes and the environment as one command line, whatever the command.
        module(
            "Settings",
            [
                "Communication", "Tensors", .product(name: "ArgumentParser", package: "swift-argument-parser"), "Yams",
            ]),
        // 3: data sets, from what a source of images is to what finds out which one a path holds; crops; the model, the loss
        // of its features, its update, its distribution
        module("ImageSources", ["Host", "ImageCodecs"]),
        module("ImageArrays", ["Host", "ImageCodecs", "ImageSources", "Tensors", "CZlib"]),
        module("ImageFiles", ["Host", "ImageCodecs", "ImageSources", "Tensors"]),
        module("ImageShards", ["Host", "ImageCodecs", "ImageFiles", "ImageSources", "Tensors", "CTar"]),
        module("Datasets", ["Host", "ImageArrays", "ImageFiles", "ImageShards", "ImageSources"]),
        module("Augmentation", ["ImageCodecs", "Tensors", "CVectorKernels"]),
        module("Models", ["Layers", "Safetensors", "Tensors", "CVectorKernels"]),
        module("Regularizers", ["Layers", "LinearAlgebra", "Tensors", "CVectorKernels"]),
        module("Optimization", ["Tensors", "CVectorKernels"]),
        module("DataParallel", ["Communication", "Tensors", "CVectorKernels"]),
        // 4: batches of images; what is kept; what a step would take on machines that are not here
        module(
            "ImageData",
            [
                "Augmentation", "ImageFiles", "ImageShards", "ImageSources", "Host", "ImageCodecs", "Tensors",
                "CVectorKernels",
            ]),
        module("Checkpoints", ["Host", "Safetensors"]),
        module("Planning", ["Communication", "DataParallel", "Models", "Regularizers", "Tensors"]),
        // 5: what every run has, whatever it computes: clocks, memory, signals
        module(
            "Runs",
            ["Checkpoints", "Communication", "CStopSignals", "Host", "Models", "Safetensors", "Tensors"]),
        // 6: the step of any training
        module(
            "Training",
            [
                "Communication", "DataParallel", "Augmentation", "ImageCodecs", "ImageData", "Layers",
                "Optimization", "Runs", "Tensors",
            ]),
        // 7: the run of any training: epochs, what is kept and what is told
        module(
            "TrainingRuns",
            [
                "Augmentation", "Checkpoints", "Communication", "DataParallel", "ImageCodecs", "ImageData",
                "ImageSources",
                "Layers", "Models", "Optimization", "Runs", "Safetensors", "Tensors", "Training",
            ]),
        // 8: pretraining: its losses and what its runs have of their own
        module(
            "Pretraining",
            [
                "Communication", "DataParallel", "Augmentation", "ImageSources", "ImageCodecs",
                "ImageData", "Layers", "Models", "Optimization",
                "Regularizers", "Runs", "Safetensors", "Tensors", "Training", "TrainingRuns",
            ]),
        // 7: evaluation: features of images, once, and what they are worth; it knows nothing of pretraining but its
        // checkpoints
        module(
            "Features",
            [
                "Augmentation", "Checkpoints", "Communication", "CVectorKernels", "Host", "ImageCodecs", "ImageData",
                "ImageSources", "Layers", "Models", "Runs", "Safetensors", "Tensors",
            ]),
        module(
            "Evaluation",
            [
                "Augmentation", "Checkpoints", "Communication", "CVectorKernels", "Features", "Host", "ImageCodecs",
                "ImageData",
                "ImageSources", "Layers", "LinearAlgebra", "Models", "Optimization", "Runs", "Safetensors", "Tensors",
            ]),
        // 8: fine-tuning: what is trained and how it is judged, and heads on a frozen encoder
        module(
            "Classification",
            [
                "Communication", "CVectorKernels", "DataParallel", "Evaluation", "Features", "ImageData",
                "ImageSources", "Layers",
                "Models", "Optimization", "Runs", "Safetensors", "Tensors", "Training",
            ]),
        // 9: the run that fine-tunes
        module(
            "FineTuning",
            [
                "Augmentation", "Checkpoints", "Classification", "Communication", "DataParallel", "Evaluation",
                "Features",
                "ImageCodecs",
                "ImageData",
                "ImageSources", "Layers", "Models", "Optimization", "Runs", "Safetensors", "Tensors", "Training",
                "TrainingRuns",
            ]),
        // 9: what is measured of a step: its speed, its gradients, its cost elsewhere
        module(
            "Measurement",
            [
                "FineTuning", "Classification", "Checkpoints", "Communication", "CVectorKernels", "DataParallel",
                "Evaluation", "Features", "Host",
                "Augmentation",
                "ImageArrays",
                "ImageSources",
                "ImageCodecs", "ImageData", "Layers",
                "Models",
                "Optimization", "Planning", "Pretraining", "Regularizers", "Runs", "Safetensors", "Tensors", "Training",
                "TrainingRuns",
            ]),
        // 10: flags, and the configurations that they make
        module(
            "Options",
            [
                "Communication", "DataParallel", "Augmentation", "Datasets", "ImageArrays", "ImageFiles", "ImageShards",
                "ImageSources", "Host", "ImageCodecs", "ImageData", "LinearAlgebra",
                "Models",
                "Optimization", "Pretraining", "Regularizers",
                "Runs", "Settings", "Tensors", "TrainingRuns",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        // 11: what every command has
        module(
            "Commands",
            [
                "BuildIdentity", "Checkpoints", "Communication", "DataParallel", "Host", "ImageSources", "Models",
                "Options",
                "Runs", "Settings", "Tensors", "Training", "TrainingRuns",
            ]),
        // 12: commands that evaluate checkpoints
        module(
            "EvaluationCommands",
            [
                "Augmentation", "Checkpoints", "Classification", "Commands", "Communication", "Evaluation", "Features",
                "FineTuning",
                "Host", "ImageArrays", "ImageCodecs", "ImageData", "ImageFiles", "ImageSources", "Layers",
                "LinearAlgebra",
                "Models", "Optimization", "Options", "Runs", "Safetensors", "Settings", "Tensors", "TrainingRuns",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        // 13: the program and its other commands
        .executableTarget(
            name: "umae-dist",
            dependencies: [
                "BuildIdentity", "Checkpoints", "Commands", "Communication", "DataParallel", "Datasets", "Evaluation",
                "Features",
                "EvaluationCommands", "Host", "Augmentation",
                "ImageArrays", "ImageFiles", "ImageSources",
                "ImageCodecs", "ImageData", "Layers",
                "Measurement", "Models", "Optimization", "Options", "Planning", "Pretraining", "Regularizers", "Runs",
                "Settings", "Tensors", "Training", "TrainingRuns",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        // Tests, one target per module; EndToEndTests runs the program itself, under mpirun too.
        .target(
            name: "TestSupport",
            dependencies: [
                "Communication", "Datasets", "ImageArrays", "ImageSources", "Host", "ImageCodecs", "Tensors",
            ],
            path: "Tests/TestSupport",
            swiftSettings: settings),
        .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
        .target(name: "FaultInjector", path: "Tests/FaultInjector"),
        tests("CheckpointsTests", ["Checkpoints", "Host", "Safetensors", "Tensors", "TestSupport"]),
        tests(
            "ClassificationTests",
            [
                "AllocationCounter", "Augmentation", "Classification", "Communication", "DataParallel", "Evaluation",
                "Features",
                "ImageArrays",
                "ImageCodecs",
                "ImageData", "ImageSources", "Layers", "Models", "Optimization", "Runs", "Safetensors", "Tensors",
                "TestSupport", "Training",
            ],
            resources: [.copy("Fixtures")]),
        tests("CommunicationTests", ["AllocationCounter", "Communication", "Tensors", "TestSupport"]),
        tests("DataParallelTests", ["Communication", "DataParallel", "Tensors", "TestSupport"]),
        tests(
            "EvaluationTests",
            [
                "Augmentation", "Communication", "Evaluation", "EvaluationCommands", "Features", "ImageArrays",
                "ImageCodecs", "ImageData", "ImageSources", "Layers", "Models", "Optimization", "Safetensors",
                "Tensors",
                "TestSupport",
            ],
            resources: [.copy("Fixtures")]),
        tests(
            "EndToEndTests",
            [
                "AllocationCounter", "Host", "Models", "Options", "Pretraining", "Regularizers", "Safetensors",
                "Settings", "Tensors", "TestSupport", "umae-dist",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            resources: [.copy("Fixtures")]),
        tests(
            "FineTuningTests",
            [
                "Augmentation", "Checkpoints", "Classification", "Communication", "DataParallel", "Evaluation",
                "Features",
                "FineTuning", "ImageArrays", "ImageCodecs", "ImageData", "ImageSources", "Layers", "Models", "Runs",
                "Safetensors", "Tensors", "TestSupport",
                "TrainingRuns",
            ]),
        tests(
            "FuzzTests",
            [
                "Datasets", "ImageArrays", "ImageFiles", "ImageShards", "ImageSources", "Host", "ImageCodecs",
                "Safetensors",
                "Settings", "Tensors", "TestSupport",
            ]),
        tests("HostTests", ["Host", "TestSupport"]),
        tests("ImageCodecsTests", ["Host", "ImageCodecs", "Tensors", "TestSupport"], resources: [.copy("Fixtures")]),
        tests(
            "DatasetsTests",
            [
                "Datasets", "ImageFiles", "ImageShards", "ImageSources", "Host", "ImageCodecs", "Tensors",
                "TestSupport",
            ]),
        tests(
            "ImageArraysTests",
            ["Datasets", "ImageArrays", "ImageSources", "Host", "ImageCodecs", "Tensors", "TestSupport"],
            resources: [.copy("Fixtures")]),
        tests(
            "ImageFilesTests",
            ["Datasets", "ImageFiles", "ImageSources", "Host", "ImageCodecs", "Tensors", "TestSupport"]),
        tests(
            "ImageShardsTests",
            ["Datasets", "ImageFiles", "ImageShards", "ImageSources", "Host", "ImageCodecs", "Tensors", "TestSupport"]),
        tests(
            "AugmentationTests", ["Augmentation", "ImageCodecs", "Safetensors", "Tensors", "TestSupport"],
            resources: [.copy("Fixtures")]),
        tests(
            "ImageDataTests",
            [
                "AllocationCounter", "Augmentation", "Datasets", "ImageArrays", "ImageFiles", "ImageShards",
                "ImageSources", "ImageCodecs",
                "ImageData", "Tensors", "TestSupport",
            ]),
        tests("LayersTests", ["Layers", "Tensors"]),
        tests(
            "MeasurementTests",
            [
                "Communication", "DataParallel", "Layers", "Measurement", "Models", "Optimization", "Planning",
                "Pretraining", "Regularizers", "Runs", "Safetensors", "Tensors", "TestSupport", "TrainingRuns",
            ]),
        tests(
            "ModelsTests",
            [
                "Checkpoints", "Communication", "DataParallel", "Augmentation", "ImageCodecs", "ImageData",
                "Layers", "Measurement", "Models",
                "Pretraining", "Regularizers", "Runs", "Tensors", "TestSupport", "Training",
            ],
            resources: [.copy("Fixtures")]),
        tests("PlanningTests", ["DataParallel", "Models", "Planning", "Regularizers", "Tensors"]),
        tests(
            "RegularizersTests", ["Layers", "Regularizers", "Safetensors", "Tensors", "TestSupport"],
            resources: [.copy("Fixtures")]),
        tests("RunsTests", ["Communication", "Host", "Models", "Runs", "Tensors"]),
        tests(
            "PretrainingTests",
            [
                "Communication", "DataParallel", "Host", "Augmentation", "ImageArrays", "ImageSources", "ImageCodecs",
                "ImageData",
                "Layers", "Models", "Optimization", "Pretraining",
                "Regularizers", "Runs", "Tensors", "TestSupport", "Training", "TrainingRuns",
            ]),
        tests(
            "SettingsTests", ["Settings", .product(name: "ArgumentParser", package: "swift-argument-parser")]),
        tests("LinearAlgebraTests", ["LinearAlgebra", "Tensors"]),
        tests("OptimizationTests", ["Optimization", "Tensors"]),
        tests(
            "OptionsTests",
            [
                "DataParallel", "Models", "Options", "Pretraining", "Regularizers", "Settings", "TrainingRuns",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        tests("TensorsTests", ["Host", "CVectorKernels", "Tensors", "TestSupport"]),
        tests(
            "TrainingTests",
            [
                "Communication", "DataParallel", "Augmentation", "ImageArrays", "ImageSources", "ImageCodecs",
                "ImageData", "Layers",
                "Optimization", "Runs", "Tensors",
                "TestSupport", "Training",
            ]),
    ]
)
