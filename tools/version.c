/* SPDX-License-Identifier: Apache-2.0 */
/* What this binary is: the version of the project and the commit that it was built from. */
#include "commit.h"
#include "tools/tool.h"

const char *const tool_version = "0.1.0";
const char *const tool_commit = IOMMUZZ_COMMIT;
