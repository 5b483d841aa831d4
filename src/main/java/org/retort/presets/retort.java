package org.retort.presets;

import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.javacpp.annotation.Properties;
import org.bytedeco.javacpp.tools.Info;
import org.bytedeco.javacpp.tools.InfoMap;
import org.bytedeco.javacpp.tools.InfoMapper;

/**
 * JavaCPP's configuration: which C++ headers become Java classes, and under which names. LibTorch's
 * own types are those of Bytedeco's presets, ours are called {@code NativeX} and live in {@code
 * org.retort.bindings}.
 */
@Properties(
    inherit = org.bytedeco.javacpp.presets.javacpp.class,
    value =
        @Platform(
            value = "linux-x86_64",
            compiler = "cpp17",
            define = {
              "SHARED_PTR_NAMESPACE std",
              "UNIQUE_PTR_NAMESPACE std",
              // Otherwise strings and messages would be in the charset of the platform.
              "STRING_BYTES_CHARSET \"UTF-8\"",
              "GENERIC_EXCEPTION_CLASS std::exception",
              "GENERIC_EXCEPTION_TOSTRING operator=(e) | retort_jni::text"
            },
            include = {
              "retort_errors.h",
              "retort/export.h",
              "retort/runtime.h",
              "retort/convolution.h",
              "retort/distributed/ranks.h",
              "retort/distributed/ranks_listener.h",
              "retort/losses/criterion.h",
              "retort/losses/cross_entropy.h",
              "retort/losses/kd.h",
              "retort/losses/dkd.h",
              "retort/losses/fsp.h",
              "retort/losses/nst.h",
              "retort/losses/crd.h",
              "retort/losses/ofd.h",
              "retort/models/preprocessing.h",
              "retort/models/network.h",
              "retort/models/imagenet_mobilenet_v2.h",
              "retort/models/imagenet_resnet.h",
              "retort/models/mlp.h",
              "retort/models/mobilenet_v2.h",
              "retort/models/networks.h",
              "retort/models/predictor.h",
              "retort/models/resnet.h",
              "retort/models/saved_model.h",
              "retort/models/shufflenet_v1.h",
              "retort/models/shufflenet_v2.h",
              "retort/models/exported.h",
              "retort/models/torchscript.h",
              "retort/models/vgg.h",
              "retort/models/wide_resnet.h",
              "retort/train/schedule.h",
              "retort/train/optimizer.h",
              "retort/train/sgd.h",
              "retort/train/adam.h",
              "retort/train/stage.h",
              "retort/train/step_checkpoint.h",
              "retort/train/stored_outputs.h",
              "retort/train/teacher.h",
              "retort/train/training_step.h",
              "retort_bridge.h"
            },
            // With the version that is part of its SONAME.
            link = "retort@.0.1"),
    target = "org.retort.bindings",
    global = "org.retort.bindings.global.retort")
public class retort implements InfoMapper {
  static {
    Loader.load(org.bytedeco.pytorch.global.torch.class);
  }

  /** Called by JavaCPP. */
  public retort() {}

  @Override
  public void map(InfoMap map) {
    map.put(new Info("retort_errors.h").skip())
        .put(new Info("RETORT_API").cppTypes().annotations())
        .put(new Info("at::Tensor").pointerTypes("org.bytedeco.pytorch.Tensor"))
        .put(new Info("std::vector<at::Tensor>").pointerTypes("org.bytedeco.pytorch.TensorVector"))
        .put(new Info("at::TensorList").pointerTypes("org.bytedeco.pytorch.TensorVector"))
        .put(
            new Info("std::optional<at::Generator>")
                .pointerTypes("org.bytedeco.pytorch.GeneratorOptional"))
        .put(new Info("at::IntArrayRef").pointerTypes("org.bytedeco.pytorch.LongArrayRef"))
        .put(new Info("std::optional<double>").pointerTypes("org.bytedeco.pytorch.DoubleOptional"))
        .put(
            new Info("torch::OrderedDict<std::string,at::Tensor>")
                .pointerTypes("org.bytedeco.pytorch.StringTensorDict"))
        .put(new Info("torch::nn::Module").pointerTypes("org.bytedeco.pytorch.Module"))
        .put(new Info("std::vector<int64_t>").pointerTypes("org.bytedeco.pytorch.LongVector"))
        .put(new Info("std::vector<double>").pointerTypes("org.bytedeco.pytorch.DoubleVector"))
        .put(new Info("std::vector<std::string>").pointerTypes("org.bytedeco.pytorch.StringVector"))
        .put(
            new Info("std::string")
                .annotations("@StdString")
                .valueTypes("String")
                .pointerTypes("BytePointer"))
        .put(
            new Info("retort_jni::WholeText")
                .annotations("@StdString")
                .valueTypes("BytePointer")
                .pointerTypes("BytePointer"))
        .put(
            new Info("retort_jni::StepNumber").cast().valueTypes("double").pointerTypes("double[]"))
        .put(
            new Info("retort_jni::RealNumber").cast().valueTypes("double").pointerTypes("double[]"))
        .put(new Info("retort_jni::Bytes").pointerTypes("NativeBytes"))
        .put(new Info("retort_jni::FileName").pointerTypes("NativeFileName"))
        .put(new Info("retort_jni::LoadedModel").pointerTypes("NativeLoadedModel"))
        // Served by the bridge, or of no use in Java.
        .put(
            new Info(
                    "retort::NetworkOutput",
                    "retort::Preprocessor",
                    "retort::operator==",
                    "retort::operator!=",
                    "retort::Predictor::Predictor",
                    "retort::Predictor::network",
                    "retort::NetworkStructure",
                    "retort::NormBefore",
                    "retort::FeatureShapes",
                    "retort::CriterionBatch",
                    "retort::CriterionInput",
                    "retort::Batch",
                    "retort::StepResult",
                    "retort::NetworkState",
                    "retort::Network::Network",
                    "retort::Network::forward",
                    "retort::Network::count_predictions",
                    "retort::Network::compute",
                    "retort::Network::tensor_options",
                    "retort::Network::mutex",
                    "retort::Network::convert",
                    "retort::Network::check_images",
                    "retort::Network::structure",
                    "retort::Network::to_torchscript",
                    "retort::Network::save_state_dict",
                    "retort::Network::load_state_dict",
                    "retort::Network::save_torchscript",
                    "retort::load_torchscript",
                    "retort::load_exported",
                    "retort::describe_exported",
                    "retort::suggest_exported_taps",
                    "retort::ModelDescription",
                    "retort::SavedModel",
                    "retort::save_model",
                    "retort::load_model",
                    "torch::jit::Module",
                    "retort::Criterion::check_batch",
                    "retort::Criterion::applies",
                    "retort::Criterion::draw",
                    "retort::Criterion::forward",
                    "retort::Criterion::snapshot",
                    "retort::Criterion::restore",
                    "retort::Criterion::after_step",
                    "retort::Criterion::temperature",
                    "retort::Criterion::divisor",
                    "retort::Criterion::buffers_of_own_batch",
                    "retort::Criterion::obstacle_to_graph",
                    "retort::CriterionOptions::build",
                    "retort::Schedule::check",
                    "retort::Schedule::description",
                    "retort::Optimizer",
                    "retort::RanksOptions",
                    "retort::Ranks::Ranks",
                    "retort::Ranks::Impl",
                    "retort::Ranks::impl",
                    "retort::Ranks::join",
                    "retort::Ranks::of_first",
                    "retort::Ranks::from_environment",
                    "retort::RanksListener::RanksListener",
                    "retort::OptimizerOptions::build",
                    "retort::OptimizerOptions::description",
                    "retort::Preprocessing::description",
                    "retort::StoredTap",
                    "retort::StoredOutputsOptions",
                    "retort::StoredOutputs::options",
                    "retort::StoredOutputs::read",
                    "retort::StoredOutputsWriter::options",
                    "retort::TeacherOptions::stored_outputs",
                    "retort::TrainingStep::run",
                    "retort::TrainingStep::finish",
                    "retort::TrainingStep::save",
                    "retort::TrainingStep::checkpoint",
                    "retort::TrainingStep::load",
                    "retort_jni::FileName::get",
                    "retort_jni::Bytes::write",
                    "retort_jni::Bytes::read",
                    "retort_jni::note_of",
                    "retort_jni::ranks_options",
                    "retort_jni::write",
                    "retort_jni::step_into",
                    "retort_jni::tensor_of",
                    "retort_jni::images_of",
                    "retort_jni::step_on_memory",
                    "retort_jni::images_for",
                    "retort_jni::copy_into",
                    "retort_jni::predict_on_memory",
                    "retort_jni::kMostTeacherFormats",
                    "retort_jni::StepValue",
                    "retort_jni::AugmentationValue")
                .skip());
    struct(map, "ImageNetMobileNetV2Options");
    struct(map, "ImageNetResNetOptions");
    struct(map, "MlpOptions");
    struct(map, "MobileNetV2Options");
    struct(map, "ResNetOptions");
    struct(map, "ShuffleNetV1Options");
    struct(map, "ShuffleNetV2Options");
    struct(map, "VggOptions");
    struct(map, "WideResNetOptions");
    struct(map, "Schedule");
    struct(map, "CrossEntropyTerm");
    struct(map, "Preprocessing");
    struct(map, "TeacherCacheOptions");
    struct(map, "StepCheckpoint");
    struct(map, "TrainingStep");
    struct(map, "TrainingStepOptions");
    listed(map, "ParameterGroup");
    listed(map, "Stage");
    listed(map, "Term");
    listed(map, "TeacherOptions");
    shared(map, "Network");
    shared(map, "Predictor");
    shared(map, "Ranks");
    shared(map, "RanksListener");
    // Pointer has an address of its own.
    map.put(new Info("retort::RanksListener::address").javaNames("addressOfFirst"));
    shared(map, "Criterion");
    shared(map, "CriterionOptions");
    shared(map, "OptimizerOptions");
    shared(map, "StoredOutputs");
    shared(map, "StoredOutputsWriter");
    enumeration(map, "KdTarget");
    enumeration(map, "FspPooling");
    enumeration(map, "FspReduction");
    enumeration(map, "NstKernel");
    enumeration(map, "CrdZ");
    enumeration(map, "CrdMemoryDtype");
    enumeration(map, "OfdReduction");
    enumeration(map, "OfdInit");
    enumeration(map, "ScheduleKind");
    enumeration(map, "Convolution");
    enumeration(map, "MemoryFormat");
    enumeration(map, "Precision");
    enumeration(map, "BatchNormOver");
    enumeration(map, "TeacherBatchNorm");
    enumeration(map, "FileAccess");
    enumeration(map, "TeacherMean");
    options(map, "CrossEntropyOptions");
    options(map, "KdOptions");
    options(map, "DkdOptions");
    options(map, "FspOptions");
    options(map, "NstOptions");
    options(map, "CrdOptions");
    options(map, "OfdOptions");
    options(map, "SgdOptions");
    options(map, "AdamOptions");
  }

  private static void struct(InfoMap map, String type) {
    map.put(new Info("retort::" + type).pointerTypes("Native" + type));
  }

  /** A struct that another one holds a list of. */
  private static void listed(InfoMap map, String type) {
    struct(map, type);
    map.put(
        new Info("std::vector<retort::" + type + ">")
            .pointerTypes("Native" + type + "Vector")
            .define());
  }

  private static void enumeration(InfoMap map, String type) {
    map.put(new Info("retort::" + type).enumerate().valueTypes("Native" + type));
  }

  /** An abstract type that C++ holds by {@code std::shared_ptr}. */
  private static void shared(InfoMap map, String type) {
    map.put(new Info("retort::" + type).pointerTypes("Native" + type).purify());
    map.put(
        new Info("std::shared_ptr<retort::" + type + ">")
            .annotations("@SharedPtr")
            .pointerTypes("Native" + type));
  }

  /** The options of a loss or an optimizer, which a training step shares. */
  private static void options(InfoMap map, String type) {
    struct(map, type);
    map.put(
        new Info("retort::" + type + "::" + type)
            .annotations("@SharedPtr", "@Name(\"std::make_shared<retort::" + type + ">\")"));
    map.put(new Info("retort::" + type + "::build", "retort::" + type + "::description").skip());
  }
}
