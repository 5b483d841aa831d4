#include "models/torchscript/program.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <string>

#include "seeded_test.h"

namespace retort {
namespace {

torch::jit::Module program(const std::string& body) {
  torch::jit::Module module("Net");
  module.register_attribute("training", c10::BoolType::get(), true);
  module.register_parameter("weight", at::randn({3, 3}), /*is_buffer=*/false);
  module.register_buffer("mean", at::zeros({3}));
  module.register_buffer("var", at::ones({3}));
  module.register_attribute("calls", c10::IntType::get(), 0);
  module.register_attribute("seen", c10::ListType::ofInts(), c10::List<int64_t>());
  module.register_attribute("maps", c10::ListType::ofTensors(), c10::List<at::Tensor>({at::zeros({3})}));
  module.define("def forward(self, x):\n" + body + "\n");
  return module;
}

class ProgramTest : public test::SeededTest {};

TEST_F(ProgramTest, KnowsWhatChangesNothing) {
  for (const std::string body : {
           "    return torch.linear(x, self.weight), [x]",
           // In place, but on values of this pass alone.
           "    y = torch.linear(x, self.weight)\n    y.relu_()\n    y.add_(1)\n    return y, {'y': y}",
           "    pair = (torch.linear(x, self.weight).add_(1), x)\n    y, x = pair\n    return y.relu_(), [x]",
           "    all = [x]\n    all.append(x + self.calls + len(self.seen))\n    return all[-1], all",
           "    y = torch.batch_norm(x, None, None, self.mean, self.var, False, 0.1, 1e-5, False)\n    return y, [x]",
           // In training only.
           "    if self.training:\n        self.mean.add_(1)\n        self.calls = self.calls + 1\n    return x, [x]",
           "    y = torch.batch_norm(x, None, None, self.mean, self.var, self.training, 0.1, 1e-5, False)\n"
           "    return y, [x]",
       }) {
    EXPECT_FALSE(may_change_itself(program(body))) << body;
  }
}

TEST_F(ProgramTest, FindsWhatChanges) {
  for (const std::string body : {
           "    self.calls = self.calls + 1\n    return x, [x]",
           "    self.mean = x[0]\n    return x, [x]",
           "    self.mean.add_(1)\n    return x, [x]",
           "    self.mean[1:].mul_(2)\n    return x, [x]",
           "    self.maps[0].add_(1)\n    return x, [x]",
           "    self.seen.append(1)\n    return x, [x]",
           "    self.maps[0] = x\n    return x, [x]",
           "    if x.size(0) > 1:\n        self.mean.add_(1)\n    return x, [x]",
           "    if not self.training:\n        self.mean.add_(1)\n    return x, [x]",
           "    for i in range(x.size(0)):\n        self.mean.add_(x[i])\n    return x, [x]",
           "    y = torch.batch_norm(x, None, None, self.mean, self.var, True, 0.1, 1e-5, False)\n    return y, [x]",
           "    y = torch.instance_norm(x, None, None, self.mean, self.var, True, 0.1, 1e-5, False)\n"
           "    return y, [x]",
       }) {
    EXPECT_TRUE(may_change_itself(program(body))) << body;
  }
}

TEST_F(ProgramTest, LooksIntoParts) {
  torch::jit::Module whole("Whole");
  whole.register_module("part", program("    self.mean.add_(1)\n    return x"));
  whole.define("def forward(self, x):\n    return self.part.forward(x), [x]\n");
  EXPECT_TRUE(may_change_itself(whole));
}

TEST_F(ProgramTest, CopiesForEvaluation) {
  torch::jit::Module whole("Whole");
  const torch::jit::Module part = program("    self.seen.append(1)\n    return x * self.weight");
  whole.register_module("one", part);
  whole.register_module("same", part);
  whole.define("def forward(self, x):\n    return self.one.forward(x) + self.same.forward(x)\n");
  torch::jit::Module copy = copy_for_evaluation(whole);
  EXPECT_EQ(copy.type(), whole.type());
  EXPECT_FALSE(copy.attr("one").toModule().is_training());
  EXPECT_TRUE(whole.attr("one").toModule().is_training());
  EXPECT_EQ(copy.attr("one").toObject(), copy.attr("same").toObject());
  EXPECT_NE(copy.attr("one").toObject(), whole.attr("one").toObject());

  const at::Tensor before = copy.forward({at::ones({3, 3})}).toTensor();
  part.attr("weight").toTensor().fill_(7);
  EXPECT_TRUE(copy.forward({at::ones({3, 3})}).toTensor().equal(before));
  EXPECT_EQ(copy.attr("one").toModule().attr("seen").toListRef().size(), 4u);
  EXPECT_EQ(part.attr("seen").toListRef().size(), 0u);
}

}  // namespace
}  // namespace retort
