"""Faults put into the compiler by hand, each with the test that finds it. Run by `test_mutants.py --thorough`."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """In `file`, `old` (which stands there once) becomes `new`; `killer` is the test that must then fail."""

    what: str
    file: str
    old: str
    new: str
    killer: str


def rule(name: str) -> str:
    return f"tests/property/test_rules.py::test_a_rule_holds[{name}-train]"


def named(name: str, file: str = "tests/property/test_rules.py") -> str:
    return f"{file}::{name}"


FUSING = "tests/unit/passes/test_fusing.py"

MUTANTS = [
    Mutant(
        "the order of arrivals is by name",
        "planning/activity.py",
        "sorted(net.transitions, key=lambda each: rank[each.source])",
        "sorted(net.transitions, key=lambda each: each.source)",
        named("test_the_order_of_states_is_the_order_of_arrivals", "tests/property/test_invariance.py"),
    ),
    Mutant(
        "a transition reads its own time",
        "network/parts.py",
        "0 if instant else 1)",
        "0 if instant or order[ends[0]] < order[ends[1]] else 1)",
        rule("2 a transition reads one step back"),
    ),
    Mutant(
        "the input arrives at 0 always",
        "network/resolve.py",
        "        return times\n\n    def _readouts",
        "        return Times((TimeSpan(0, 0),))\n\n    def _readouts",
        rule("3 the input arrives at its time"),
    ),
    Mutant(
        "a held input is looked at again at each time",
        "planning/step_writer.py",
        "if not self.network.sequence:  #",
        "if False:  #",
        rule("3 a held input is looked at once"),
    ),
    Mutant(
        "a sequence's slices count from 1",
        "planning/step_writer.py",
        "enumerate(self.network.input_times.upto(last))",
        "enumerate(self.network.input_times.upto(last), -1)",
        rule("3 a sequence gives a slice a time"),
    ),
    Mutant(
        "empty is zeros",
        "network/resolve.py",
        '(written.state.unpopulated or self.spec.unpopulated) == "zeros"',
        "True",
        rule("4 empty is not zero"),
    ),
    Mutant(
        "states without arrivals hold",
        "network/resolve.py",
        "bool(written.state.hold)",
        "written.state.hold is not False",
        rule("5 a state without arrivals is empty"),
    ),
    Mutant(
        "a held value is zeros",
        "planning/values.py",
        "if node in activity.held:",
        "if False:",
        rule("5 or holds"),
    ),
    Mutant(
        "a slab's delay wins over its cell's",
        "network/functions/transitions.py",
        "(cell.delay, entry.slab.delay, entry.delay)",
        "(entry.slab.delay, entry.delay, cell.delay)",
        rule("6 a delay of two"),
    ),
    Mutant(
        "engineering unrolling the wrong way round",
        "network/parts.py",
        'unroll == "engineering" and order[ends[0]] < order[ends[1]]',
        'unroll == "engineering" and order[ends[0]] > order[ends[1]]',
        rule("6 engineering unrolling"),
    ),
    Mutant(
        "an earlier slab wins",
        "network/matrix.py",
        "for entry in reversed(entries):",
        "for entry in entries:",
        rule("7 a later slab overrides cell by cell"),
    ),
    Mutant(
        "T is one too late",
        "network/resolve.py",
        '{"T": readouts[0]}',
        '{"T": readouts[0] + 1}',
        rule("7 times relative to T"),
    ),
    Mutant(
        "a name of nn.Module is let through",
        "spec/state_names.py",
        "if name in MODULE_ATTRIBUTES:",
        "if name in ():",
        named("test_rule_8_reserved_names_are_refused"),
    ),
    Mutant("deconvolutions pad too much", "network/functions/layers.py", "= stride - 1", "= 0", rule("9 every letter")),
    Mutant(
        "a dropped identity",
        "network/functions/fit.py",
        'if call.op == "identity":\n            return at, shape',
        'if call.op == "identity":\n            return self.append(op("zeros", shape=shape), (at,), labels), shape',
        rule("10 branches, I, Ip and I0"),
    ),
    Mutant(
        "I0 takes the previous value",
        "planning/activity.py",
        "first=first if arrival.reads[1] >= 0 else arrival.reads",
        "first=arrival.reads",
        rule("10 branches, I, Ip and I0"),
    ),
    Mutant(
        "last convolutions take the strides",
        "network/functions/sizes.py",
        "number in takers[:count]",
        "number in takers[len(takers) - count :]",
        rule("11 first convolutions take the strides"),
    ),
    Mutant(
        "sum for mean",
        "runtime/lowering_rules.py",
        '"mean": _mean,',
        '"mean": partial(_chain, "operator.add"),',
        rule("12 mean"),
    ),
    Mutant("min for max", "runtime/lowering_rules.py", "torch.maximum", "torch.minimum", rule("12 max")),
    Mutant(
        "a product of those that are there",
        "network/functions/ops.py",
        'NEEDS_ALL = ("product", "concat")',
        'NEEDS_ALL = ("concat",)',
        rule("12 product"),
    ),
    Mutant(
        "arrivals reordered under concat",
        "runtime/lowering_rules.py",
        'writer.call("torch.cat", list(given), 1)',
        'writer.call("torch.cat", list(given)[::-1], 1)',
        rule("12 concat"),
    ),
    Mutant(
        "no update",
        "planning/step_writer.py",
        "if update is not None:",
        "if update is not None and not update.function:",
        rule("13 an update after the merge"),
    ),
    Mutant(
        "a gain of the wrong sign",
        "network/functions/fit.py",
        "factor=float(gain.init)",
        "factor=-float(gain.init)",
        rule("13 gains"),
    ),
    Mutant(
        "c is that of LPK's misprint",
        "runtime/lipschitz_divisor.py",
        "(work_out(self.bound.formula, Torch(tensors[0], named, vectors)) / self.mu)",
        "(self.mu / work_out(self.bound.formula, Torch(tensors[0], named, vectors)))",
        rule("13 lipschitz, with vectors for all times"),
    ),
    Mutant(
        "an identity is divided too",
        "network/functions/fit.py",
        'first.op in ("identity", "first_value", "pad_identity")',
        "first.op in ()",
        rule("13 lipschitz, with vectors for all times"),
    ),
    Mutant(
        "a bound leaves out the norms",
        "network/functions/lipschitz.py",
        "        if kind in LINEAR:\n",
        '        if kind == "batch_norm":\n            return given\n        if kind in LINEAR:\n',
        rule("13 lipschitz, with vectors of each time"),
    ),
    Mutant(
        "singular vectors are not improved",
        "runtime/lipschitz_divisor.py",
        "for _ in range(iterations):",
        "for _ in range(0):",
        rule("13 lipschitz, with vectors of each time"),
    ),
    Mutant(
        "weights are never untied",
        "network/sharing/tensors.py",
        'return "place" if over_time or cell.kind',
        'return "place" if True or cell.kind',
        rule("14 or not"),
    ),
    Mutant(
        "a set is tied one layer off",
        "network/sharing/tensors.py",
        'label = "" if group.by_layer else layer.label',
        'label = layer.label if group.by_layer else ""',
        rule("15 a set of layers"),
    ),
    Mutant(
        "exceptions are not excepted",
        "network/sharing/sets.py",
        "union(member.times for member in mine).minus(out)",
        "union(member.times for member in mine)",
        rule("15 except some"),
    ),
    Mutant(
        "coupled weights are one",
        "network/sharing/tensors.py",
        'kind = "set" if group.coupling is None else "coupled"',
        'kind = "set"',
        rule("16 coupled weights are apart"),
    ),
    Mutant(
        "seeds by name",
        "network/sharing/tensors.py",
        'return f"{index[cell.source]}>',
        'return f"{cell.source}>',
        named("test_renaming_states_changes_no_bit", "tests/property/test_invariance.py"),
    ),
    Mutant(
        "half of He's variance",
        "runtime/parameters.py",
        '"he": lambda fan_in, fan_out: 2 / fan_in',
        '"he": lambda fan_in, fan_out: 1 / fan_in',
        named("test_rule_17_each_tensor_draws_for_itself_from_its_place"),
    ),
    Mutant(
        "statistics crossed between times",
        "planning/body.py",
        "used = tuple([at(each, t) for each in tensors])",
        "used = tuple([at(each, t - t % 2) for each in tensors])",
        rule("18 statistics of each time"),
    ),
    Mutant(
        "shared statistics updated in another order",
        "planning/schedule.py",
        "found.sort(key=lambda each: each[:3])",
        "found.sort(key=lambda each: (each[0], -each[1]))",
        rule("18 statistics shared, updated in order"),
    ),
    Mutant(
        "the mean of all but the first readout",
        "planning/step_writer.py",
        "for _, name in found[: number + 1]]",
        "for _, name in found[1 : number + 1]]",
        rule("20 the mean so far"),
    ),
    Mutant(
        "liveness one step late",
        "planning/schedule.py",
        "(keep_dead or node in activity.needed)",
        "(keep_dead or node in activity.needed or (node[0], node[1] - 1) in activity.needed)",
        rule("21 only what a readout needs"),
    ),
    Mutant(
        "pooling does not count for the depth",
        "network/functions/ops.py",
        '"global_pool": Kind(lambda op, shapes: shapes[0][:1], depth=1)',
        '"global_pool": Kind(lambda op, shapes: shapes[0][:1])',
        named("test_rule_22_depth_counts_convolutions_linear_layers_and_pools"),
    ),
    Mutant(
        "a held input counts as homogeneous",
        "network/system.py",
        "len(input_times.upto(last)) <= 1",
        "True",
        named("test_rule_23_a_net_says_what_system_it_is"),
    ),
    Mutant(
        "names of cells relative to T have the number",
        "network/sharing/tensors.py",
        "uses[0].transition.symbol\n",
        "'0'\n",
        named("test_rule_24_names_do_not_depend_on_the_readout"),
    ),
    Mutant(
        "what leaves a part leaves its first state",
        "network/parts.py",
        'f"{name}.{inner[0]}", f"{name}.{inner[-1]}"',
        'f"{name}.{inner[0]}", f"{name}.{inner[0]}"',
        rule("26 parts"),
    ),
    Mutant(
        "zeros only while nothing arrives before",
        "planning/activity.py",
        "if live or holds or (state and state.zeros):",
        "if live or holds:",
        rule("4 and then a merge without arrivals is zeros"),
    ),
    Mutant(
        "coupled gradients are added up",
        "training/gradient_coupling.py",
        "alpha=coupling.strength / len(gradients)",
        "alpha=coupling.strength",
        "tests/unit/training/test_gradient_coupling.py::test_twenty_steps_are_those_of_the_reference[SGD-0.5-uniform]",
    ),
    Mutant(
        "a triangular kernel is uniform",
        "training/gradient_coupling.py",
        "[size - abs(t - s) for s in range(size)]",
        "[size for s in range(size)]",
        "tests/unit/training/test_gradient_coupling.py::test_twenty_steps_are_those_of_the_reference[SGD-0.5-triangular]",
    ),
    Mutant(
        "every arrow of an unrolled net takes a step",
        "rewrite/unroll.py",
        "name, delay = self._name(read), t - read.node[1]",
        "name, delay = self._name(read), 1",
        "tests/property/test_theorems.py::test_the_zoo_is_the_zoo_unrolled[gru]",
    ),
    Mutant(
        "an unrolled net is tied by nothing",
        "rewrite/unroll.py",
        "if sets := self._sets():",
        "if sets := []:",
        "tests/property/test_theorems.py::test_the_zoo_is_the_zoo_unrolled[three-cycle]",
    ),
    Mutant(
        "the gradient of one copy stands for all",
        "equivalence/runs.py",
        "total[index] += parameter.grad",
        "total[index] = parameter.grad",
        "tests/property/test_theorems.py::test_the_gradient_of_a_tied_weight_is_the_sum_of_those_of_its_copies",
    ),
    Mutant(
        "what needs no gradient is not seen",
        "planning/lint.py",
        'if line.op.kind in ("product", "divide"):',
        'if line.op.kind == "divide":',
        "tests/unit/planning/test_lint.py::test_a_product_with_zeros_is_zeros",
    ),
    Mutant(
        "a mean is over what is not zeros",
        "passes/fold_zeros.py",
        '{"of": len(line.arguments)} if line.op.kind == "mean" else {}',
        "{}",
        named("test_zeros_add_nothing_and_weights_used_on_zeros_alone_keep_a_gradient_of_zero", FUSING),
    ),
    Mutant(
        "biased convolutions of zeros are zeros",
        "passes/fold_zeros.py",
        "return given[0] and len(line.tensors) == 1",
        "return given[0]",
        named("test_biases_are_not_zeros", FUSING),
    ),
    Mutant(
        "noise is drawn once",
        "planning/body.py",
        '"shared_norm", "noise", ',
        '"shared_norm", ',
        named("test_noise_is_drawn_for_each_transition", FUSING),
    ),
    Mutant(
        "shared norms forget nothing",
        "runtime/fused_ops.py",
        "torch._foreach_mul_(others, kept)",
        "torch._foreach_mul_(others, 1.0)",
        named("test_fused_nets_compute_the_same", FUSING),
    ),
    Mutant(
        "what others read is overwritten",
        "passes/in_place.py",
        "if is_fresh and readers[line.name] == 1:",
        "if is_fresh:",
        named("test_drawn_nets_compute_the_same_at_every_level", "tests/property/test_levels.py"),
    ),
    Mutant(
        "deconvolutions joined along their outputs",
        "passes/fuse_sources.py",
        'axis = int(first.op.kind == "conv_transpose")',
        "axis = 0",
        named("test_biases_are_joined_too_and_deconvolutions_along_their_other_axis", FUSING),
    ),
    Mutant(
        "evaluation convolves the first source for all",
        "runtime/fused_ops.py",
        "[convolve(x, w, b, **settings) for x, w, b",
        "[convolve(sources[0], w, b, **settings) for x, w, b",
        named("test_fused_nets_compute_the_same", FUSING),
    ),
    Mutant(
        "sums that others read are fused",
        "passes/fuse_targets.py",
        "if name in made and readers[name] == 1)",
        "if name in made)",
        named("test_what_differs_is_not_fused", FUSING),
    ),
    Mutant(
        "steps call their values as if they were of the same time",
        "planning/step_writer.py",
        "return earlier(template, now - t)",
        "return earlier(template, min(now - t, 1))",
        named("test_drawn_nets_compute_the_same_at_every_level", "tests/property/test_levels.py"),
    ),
    Mutant(
        "what is computed again later is another step's",
        "passes/share_equal.py",
        "earlier(theirs, t - then)),)",
        "earlier(theirs, t - then - 1)),)",
        named("test_what_is_read_again_later_is_made_once", FUSING),
    ),
    Mutant(
        "a program is called with the statistics of the step before",
        "runtime/graphs.py",
        "reads, t, piece.tensors))",
        "reads, max(t - 1, 0), piece.tensors))",
        named("test_stepwise_is_flat", "tests/unit/runtime/test_steps.py"),
    ),
    Mutant(
        "values are freed while they are read",
        "runtime/generated_code.py",
        "if last[name] > number else f'.pop",
        "if last[name] > number + 1 else f'.pop",
        named("test_long_passes_are_parted", "tests/unit/runtime/test_steps.py"),
    ),
    Mutant(
        "memory is changed",
        "runtime/stepping.py",
        "{} if memory is None else dict(memory.values)",
        "{} if memory is None else memory.values",
        named("test_memory_does_not_grow_and_is_not_changed", "tests/unit/runtime/test_stream.py"),
    ),
]
