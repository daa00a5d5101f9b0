//===- Describe.cpp - a program's description as a Python dict --------------------------------===//

#include "Runtime.h"

#include <nanobind/stl/string.h>

namespace nb = nanobind;
using namespace muon::python;

static nb::dict describeArgument(const muon_argument &argument) {
  nb::list sizes;
  for (uint32_t d = 0; d < argument.rank; ++d)
    sizes.append(argument.sizes[d]);
  nb::dict result;
  result["name"] = argument.name;
  result["role"] = argument.role;
  result["dtype"] = argument.dtype;
  result["sizes"] = nb::tuple(sizes);
  return result;
}

static nb::dict describeGroup(const muon_group &group) {
  nb::list arguments, parameters, sets;
  for (uint32_t a = 0; a < group.num_arguments; ++a)
    arguments.append(describeArgument(group.arguments[a]));
  for (uint32_t p = 0; p < group.num_parameters; ++p) {
    parameters.append(nb::str(group.parameters[p]));
    sets.append(group.scalar_sets[p]);
  }
  nb::dict result;
  result["function"] = group.function ? group.function : "";
  result["arguments"] = arguments;
  result["parameters"] = parameters;
  result["scalar_sets"] = sets;
  result["first_parameter"] = group.first_parameter;
  result["matrices_per_parameter"] = group.matrices_per_parameter;
  return result;
}

static nb::dict describeVariant(const muon_variant &variant) {
  uint64_t launches = 0;
  for (uint32_t s = 0; s < variant.num_stages; ++s)
    launches += variant.stages[s].num_launches;
  nb::dict result;
  result["target"] = variant.target ? variant.target : "";
  result["features"] = variant.features ? variant.features : "";
  result["workspace_bytes"] = variant.workspace_bytes;
  result["scratch_per_worker"] = variant.scratch_per_worker;
  result["stages"] = variant.num_stages;
  result["launches"] = launches;
  result["report"] = variant.report ? variant.report : "";
  return result;
}

nb::dict muon::python::describe(const Handle &handle) {
  const muon_program &program = handle.program();
  nb::list groups, scalars;
  for (uint32_t g = 0; g < program.num_groups; ++g)
    groups.append(describeGroup(program.groups[g]));
  for (uint32_t s = 0; s < program.num_scalars; ++s)
    scalars.append(nb::make_tuple(nb::str(program.scalars[s].name), program.scalars[s].is_integer != 0));
  nb::dict result;
  result["name"] = program.name;
  result["abi_version"] = program.abi_version;
  result["groups"] = groups;
  result["scalars"] = scalars;
  result["num_scalar_sets"] = program.num_scalar_sets;
  result["num_parameters"] = program.num_parameters;
  result["num_variants"] = program.num_variants;
  result["variant"] = describeVariant(handle.variant());
  result["workers"] = muon_workers(handle.raw());
  return result;
}
