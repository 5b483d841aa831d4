#include "models/exported/operators.h"

#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string_view>

#include "tensor/check.h"

namespace retort::exported {
namespace {

constexpr std::string_view kAten = "torch.ops.aten.";
constexpr std::string_view kHigherOrder = "torch.ops.higher_order.";

/// What a program may run; a name stands for the in-place form, too. These operators check their arguments and touch
/// nothing but tensors: none of them opens files, resizes what it is given or trusts indices.
constexpr const char* kAllowed = R"(
_adaptive_avg_pool2d _adaptive_avg_pool3d _log_softmax _softmax _to_copy _upsample_bicubic2d_aa
_upsample_bilinear2d_aa _weight_norm abs acos acosh adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d add addbmm addcdiv addcmul addmm addmv adjoint alias all
alpha_dropout amax amin any arange argmax argmin argsort as_strided asin asinh atan atan2 atanh atleast_1d
atleast_2d atleast_3d avg_pool1d avg_pool2d avg_pool3d baddbmm batch_norm bernoulli bilinear bitwise_and
bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor block_diag bmm broadcast_tensors
broadcast_to bucketize cartesian_prod cat ceil celu channel_shuffle chunk clamp clamp_max clamp_min clone
column_stack concat concatenate conj_physical constant_pad_nd contiguous conv1d conv2d conv3d conv_transpose1d
conv_transpose2d conv_transpose3d convolution copy cos cosh cosine_similarity count_nonzero cross cummax cummin
cumprod cumsum deg2rad detach diag diag_embed diagonal diff dist div divide dot dropout dsplit dstack einsum elu
embedding empty empty_like eq erf erfc erfinv exp exp2 expand expand_as expand_copy expm1 exponential
feature_alpha_dropout feature_dropout fill flatten flip fliplr flipud float_power floor floor_divide fmod frac full
full_like gather ge gelu glu greater greater_equal grid_sampler_2d group_norm gru gt hardshrink hardsigmoid
hardswish hardtanh heaviside hsplit hstack hypot im2col imag index index_add index_copy index_fill index_put
index_select inner instance_norm isfinite isinf isnan kthvalue layer_norm ldexp le leaky_relu lerp less less_equal
lift_fresh lift_fresh_copy linalg_norm linalg_vector_norm linear linspace log log10 log1p log2 log_sigmoid
log_softmax logaddexp logcumsumexp logical_and logical_not logical_or logical_xor logit logsumexp lstm lt mT
masked_fill masked_scatter matmul matrix_H max max_pool1d max_pool2d max_pool2d_with_indices max_pool3d
max_pool3d_with_indices maximum mean median meshgrid min minimum mish mm mode moveaxis movedim msort mul multiply mv
nan_to_num nanmean nansum narrow native_group_norm native_layer_norm ne neg negative new_empty new_full new_ones
new_zeros nonzero norm normal not_equal numpy_T one_hot ones ones_like outer pad pairwise_distance permute
permute_copy pixel_shuffle pixel_unshuffle positive pow prelu prod rand rand_like randint randint_like randn
randn_like randperm ravel real reciprocal reflection_pad1d reflection_pad2d reflection_pad3d relu relu6 remainder
repeat repeat_interleave replication_pad2d replication_pad3d reshape reshape_as rms_norm rnn_relu rnn_tanh roll
rot90 round rrelu rsqrt rsub scalar_tensor scaled_dot_product_attention scatter scatter_add scatter_reduce select
select_copy select_scatter selu sgn sigmoid sign signbit silu sin sinc sinh slice slice_copy slice_scatter softmax
softplus softshrink sort split split_with_sizes sqrt square squeeze squeeze_copy stack std std_mean sub subtract sum
sum_to_size swapaxes swapdims sym_numel sym_size t t_copy take_along_dim tan tanh tensor_split tensordot threshold
tile to topk transpose transpose_copy trapezoid tril triu true_divide trunc type_as unbind unflatten unfold uniform
unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze unsqueeze_copy upsample_bicubic2d upsample_bilinear2d
upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_trilinear3d var var_mean vdot
view view_as view_copy vsplit vstack where xlogy zero zeros zeros_like
)";

/// By the operator, the argument that says whether it trains.
const std::map<std::string_view, const char*> kModes = {
    {"alpha_dropout", "train"},
    {"batch_norm", "training"},
    {"dropout", "train"},
    {"feature_alpha_dropout", "train"},
    {"feature_dropout", "train"},
    {"gru", "train"},
    {"instance_norm", "use_input_stats"},
    {"lstm", "train"},
    {"rnn_relu", "train"},
    {"rnn_tanh", "train"},
    {"rrelu", "training"},
    {"scaled_dot_product_attention", "dropout_p"}};

/// Functions of sizes, and what TorchScript calls them.
const std::map<std::string_view, const char*> kArithmetic = {
    {"_operator.add", "aten::add"},
    {"_operator.sub", "aten::sub"},
    {"_operator.mul", "aten::mul"},
    {"_operator.neg", "aten::neg"},
    {"_operator.floordiv", "aten::floordiv"},
    {"_operator.truediv", "aten::div"},
    {"_operator.mod", "aten::remainder"},
    {"_operator.pow", "aten::pow"},
    {"_operator.eq", "aten::eq"},
    {"_operator.ne", "aten::ne"},
    {"_operator.lt", "aten::lt"},
    {"_operator.le", "aten::le"},
    {"_operator.gt", "aten::gt"},
    {"_operator.ge", "aten::ge"},
    {"_operator.and_", "aten::__and__"},
    {"_operator.or_", "aten::__or__"},
    {"torch.sym_max", "prim::max"},
    {"torch.sym_min", "prim::min"},
    {"torch.sym_not", "aten::__not__"},
    {"torch.sym_float", "aten::Float"},
    {"torch.sym_int", "aten::Int"},
    {"math.trunc", "aten::Int"}};

bool starts_with(std::string_view text, std::string_view begin) {
  return text.substr(0, begin.size()) == begin;
}

/// relu for relu_, but _softmax for itself.
std::string_view without_mark(std::string_view name) {
  return name.size() > 1 && name.back() == '_' ? name.substr(0, name.size() - 1) : name;
}

bool is_allowed(std::string_view name, std::string_view overload) {
  // What is written to an argument by name would be resized to fit.
  const bool is_out = overload == "out" || overload.find("_out") != std::string_view::npos;
  static const std::set<std::string> allowed = [] {
    std::istringstream words(kAllowed);
    return std::set<std::string>(std::istream_iterator<std::string>(words), {});
  }();
  return !is_out && allowed.count(std::string(without_mark(name))) > 0;
}

}  // namespace

NodeKind kind_of(const Node& node) {
  const std::string_view target = node.target;
  if (starts_with(target, kHigherOrder)) return NodeKind::kControl;
  if (!starts_with(target, kAten)) return NodeKind::kArithmetic;
  const std::string_view name = target.substr(kAten.size());
  return starts_with(name, "_assert") || starts_with(name, "sym_constrain") ? NodeKind::kAssertion
                                                                            : NodeKind::kOperator;
}

Operator operator_of(const Node& node) {
  const std::string full = node.target.substr(kAten.size());
  const size_t dot = full.find('.');
  const std::string name = full.substr(0, dot);
  std::string overload = dot == std::string::npos ? std::string() : full.substr(dot + 1);
  if (overload == "default") overload.clear();
  if (!is_allowed(name, overload)) fail<FileError>("operator aten::", full, " is not one of those that may be run");
  const auto handle = c10::Dispatcher::singleton().findSchema({"aten::" + name, overload});
  if (!handle) fail<FileError>("operator aten::", full, " is unknown to this version of LibTorch");
  return {name, overload, *handle};
}

std::string arithmetic_of(const Node& node) {
  const auto found = kArithmetic.find(node.target);
  if (found == kArithmetic.end()) fail<FileError>("operator ", node.target, " is not one of those that may be run");
  return found->second;
}

const char* mode_argument(const std::string& name) {
  const auto found = kModes.find(without_mark(name));
  return found == kModes.end() ? nullptr : found->second;
}

const Argument* find_argument(const Node& node, const char* name) {
  for (const auto& [key, argument] : node.arguments) {
    if (key == name) return &argument;
  }
  return nullptr;
}

bool has_mode(const Node& node, const Operator& op) {
  const char* mode = mode_argument(op.name);
  if (!mode || !find_argument(node, mode)) return false;
  const bool is_norm = op.name == "batch_norm" || op.name == "instance_norm";
  const Argument* statistics = find_argument(node, "running_mean");
  return !is_norm || (statistics && std::holds_alternative<ValueName>(*statistics));
}

bool is_in_training(const Node& node, const Operator& op) {
  const auto* given = std::get_if<c10::IValue>(find_argument(node, mode_argument(op.name)));
  return given && ((given->isBool() && given->toBool()) || (given->isDouble() && given->toDouble() != 0));
}

}  // namespace retort::exported
