#pragma once
/// The cases that every Backend must pass. A new implementation instantiates BackendSuite with a BackendCase;
/// it adds no test. To add a case: put a row into a table, or a TEST_P into the part that its operation
/// belongs to.
#include "tests/conformance/backend_suite_attention.h"
#include "tests/conformance/backend_suite_blocks.h"
#include "tests/conformance/backend_suite_goldens.h"
#include "tests/conformance/backend_suite_output.h"
#include "tests/conformance/backend_suite_products.h"
#include "tests/conformance/backend_suite_rows.h"
#include "tests/conformance/backend_suite_selections.h"
#include "tests/conformance/backend_suite_solvers.h"
#include "tests/conformance/backend_suite_training.h"
