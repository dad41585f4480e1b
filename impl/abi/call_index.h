/* SPDX-License-Identifier: Apache-2.0 */
#define CALL_INDEX_ROWS 0
static const uint16_t call_index[CALL_INDEX_SLOTS];
