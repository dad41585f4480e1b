/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/diff_rules.h"

#include <inttypes.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/names.h"
#include "tools/embedded.h"
#include "tools/files.h"
#include "tools/tool.h"

#define REPORT_LEAST 8u /* letters of `what report`, so that it names one report */

#define SUCCESS INT64_MAX

struct reader {
	struct rules *rules;
	struct rule *rule; /* the record that is being read, NULL: none yet */
	const char *path;
	uint32_t line, wrong;
	bool has_call, has_what, has_kernels, has_harm, broken;
};

static const char *const opening[] = {"difference", "hazard"};

static bool wrong(struct reader *reader, uint32_t line, const char *expected, const char *found)
{
	tool_error("%s:%u: expected %s%s%s%s", reader->path, line, expected,
		found ? ", found '" : "", found ? found : "", found ? "'" : "");
	reader->wrong++;
	reader->broken = true;
	return false;
}

/* -- words -- */

/* The next word of the line, cut off in place; NULL at the end. */
static char *next_word(char **rest)
{
	char *word = *rest + strspn(*rest, " \t");
	size_t length = strcspn(word, " \t");

	if (!length)
		return NULL;
	*rest = word + length;
	if (**rest)
		*(*rest)++ = '\0';
	return word;
}

static bool read_number(const struct field *field, const char *word, uint64_t *number)
{
	char *end;

	for (const struct named_value *name = field->names; name && name->name; name++)
		if (strcmp(name->name, word) == 0) {
			*number = name->value;
			return true;
		}
	for (unsigned i = 0; names_word(NAMES_CONSTANT, i); i++)
		if (strcmp(names_word(NAMES_CONSTANT, i), word) == 0) {
			*number = names_constant(i);
			return true;
		}
	*number = strtoull(word, &end, 0);
	return end != word && !*end;
}

/* FIELD=N, FIELD!N, FIELD<N, FIELD>N, FIELD&N, FIELD=handle, FIELD=mem, FIELD=unset. */
static bool read_condition(struct reader *reader, struct rule_call *call, char *word)
{
	const struct call_row *row = &call_rows[call->row];
	size_t length = strcspn(word, "=!<>&");
	int field = call_field(row, word, length);
	struct rule_condition *condition;
	const char *value = word + length + 1;

	if (call->count == RULE_CONDITIONS)
		return wrong(reader, reader->line, "fewer conditions", word);
	if (field < 0 || !word[length])
		return wrong(reader, reader->line, "FIELD and one of = ! < > & with a value", word);
	condition = &call->conditions[call->count++];
	condition->field = (uint8_t)field;
	condition->test = word[length];
	if (condition->test == '=' && strcmp(value, "handle") == 0)
		condition->test = 'h';
	else if (condition->test == '=' && strcmp(value, "mem") == 0)
		condition->test = 'm';
	else if (condition->test == '=' && strcmp(value, "unset") == 0)
		condition->test = 'u';
	else if (!read_number(&row->fields[field], value, &condition->number))
		return wrong(
			reader, reader->line, "a number or a name of the field's values", value);
	return true;
}

static bool read_call(struct reader *reader, struct rule_call *call, char *rest)
{
	char *word = next_word(&rest);
	int row = word ? call_find(word, strlen(word)) : -1;

	if (row < 0)
		return wrong(reader, reader->line, "the name of a call", word);
	call->row = (uint16_t)row;
	while ((word = next_word(&rest)))
		if (!read_condition(reader, call, word))
			return false;
	return true;
}

static bool read_result(struct reader *reader, const char *word, int64_t *result)
{
	int error = word ? names_errno_find(word, strlen(word)) : 0;

	if (!error && (!word || strcmp(word, "ok") != 0))
		return wrong(reader, reader->line, "an errno or ok", word);
	*result = error ? -error : SUCCESS;
	return true;
}

/* -- lines -- */

static bool read_what(struct reader *reader, char *rest)
{
	struct rule *rule = reader->rule;
	char *word = next_word(&rest);
	const struct call_row *row = &call_rows[rule->call.row];

	if (!reader->has_call)
		return wrong(reader, reader->line, "the line `call` before `what`", NULL);
	reader->has_what = true;
	if (word && strcmp(word, "result") == 0) {
		rule->what = DIFF_RESULT;
		return read_result(reader, next_word(&rest), &rule->here) &&
		       read_result(reader, next_word(&rest), &rule->there);
	}
	if (word && strcmp(word, "field") == 0) {
		word = next_word(&rest);
		int field = word ? call_field(row, word, strlen(word)) : -1;

		rule->what = DIFF_FIELD;
		rule->field = (uint8_t)field;
		return field >= 0 || wrong(reader, reader->line, "a field of the call", word);
	}
	if (word && strcmp(word, "report") == 0) {
		word = next_word(&rest);
		rule->what = DIFF_MACHINE;
		snprintf(rule->report, sizeof(rule->report), "%s", word ? word : "");
		return strlen(rule->report) >= REPORT_LEAST ||
		       wrong(reader, reader->line, "a part of the report's key, 8 letters or more",
			       word);
	}
	rule->what = DIFF_MEMORY;
	return (word && strcmp(word, "memory") == 0) ||
	       wrong(reader, reader->line, "result A B, field NAME, memory or report KEY", word);
}

static bool read_kernels(struct reader *reader, char *rest)
{
	char end, newest[80];
	unsigned number[4];

	if (sscanf(rest, " %3u.%3u..%3u.%3u%c", &number[0], &number[1], &number[2], &number[3],
		    &end) != 4)
		return wrong(reader, reader->line, "kernels FIRST..LAST, as 6.12..7.3", rest);
	unsigned first = number[0] << 8 | number[1], last = number[2] << 8 | number[3];
	if (number[1] > 255 || number[3] > 255 || first > last)
		return wrong(reader, reader->line, "the first kernel before the last", rest);
	/* What nobody has seen yet cannot be known to differ. */
	snprintf(newest, sizeof(newest), "kernels from 6.2 to %u.%u, the newest profile",
		LINUX_NEWEST >> 8, LINUX_NEWEST & 255);
	if (first < LINUX(6, 2) || last > LINUX_NEWEST)
		return wrong(reader, reader->line, newest, rest);
	reader->rule->first = (uint16_t)first;
	reader->rule->last = (uint16_t)last;
	reader->has_kernels = true;
	return true;
}

/* A hazard that does nothing to the kernel would be a hole in the comparison. */
static bool read_harm(struct reader *reader, char *rest)
{
	char *word = next_word(&rest), *more = next_word(&rest);

	reader->has_harm = word && !more &&
			   (strcmp(word, "hang") == 0 || strcmp(word, "corrupt") == 0 ||
				   strcmp(word, "crash") == 0);
	return reader->has_harm ||
	       wrong(reader, reader->line, "harm hang, corrupt or crash", more ? more : word);
}

static bool read_when(struct reader *reader, char *rest)
{
	char *word;

	if (!reader->has_call)
		return wrong(reader, reader->line, "the line `call` before `when`", NULL);
	while ((word = next_word(&rest)))
		if (!read_condition(reader, &reader->rule->call, word))
			return false;
	return true;
}

static bool read_line(struct reader *reader, const char *key, char *rest)
{
	struct rule *rule = reader->rule;
	bool difference = reader->rules->kind == RULE_DIFFERENCE;

	if (strcmp(key, "call") == 0)
		return reader->has_call = read_call(reader, &rule->call, rest);
	if (strcmp(key, "what") == 0 && difference)
		return read_what(reader, rest);
	if (strcmp(key, "when") == 0)
		return read_when(reader, rest);
	if (strcmp(key, "kernels") == 0)
		return read_kernels(reader, rest);
	if (strcmp(key, "harm") == 0 && !difference)
		return read_harm(reader, rest);
	if (strcmp(key, "after") == 0 && rule->after_count < RULE_AFTERS)
		return read_call(reader, &rule->after[rule->after_count++], rest);
	if (strcmp(key, "reason") == 0) {
		free(rule->reason);
		rule->reason = tool_copy(rest + strspn(rest, " \t"));
		return true;
	}
	return wrong(reader, reader->line,
		difference ? "call, what, when, after, kernels or reason"
			   : "call, when, after, harm, kernels or reason",
		key);
}

static bool names_value(const struct rule_call *call)
{
	for (unsigned i = 0; i < call->count; i++) {
		const struct rule_condition *c = &call->conditions[i];

		if (c->test == '=' ||
			(c->test == '&' && c->number && !(c->number & (c->number - 1))))
			return true;
	}
	return false;
}

/* Every program opens and makes an IOAS: having done so is no state of its own. */
static bool names_state(const struct rule *rule)
{
	bool named = names_value(&rule->call);

	for (unsigned i = 0; !named && i < rule->after_count; i++)
		named = names_value(&rule->after[i]) ||
			(rule->after[i].row != CALL_ID_open &&
				rule->after[i].row != CALL_ID_IOMMU_IOAS_ALLOC);
	return named;
}

/* A record is whole, and says no more than it may. */
static void finish(struct reader *reader)
{
	const struct rule *rule = reader->rule;

	if (!rule || reader->broken)
		return;
	bool difference = reader->rules->kind == RULE_DIFFERENCE;
	if (!reader->has_call)
		wrong(reader, rule->line, "a line `call` in this record", rule->name);
	else if (difference && !reader->has_what)
		wrong(reader, rule->line, "a line `what` in this record", rule->name);
	else if (!reader->has_kernels)
		wrong(reader, rule->line, "a line `kernels FIRST..LAST` in this record",
			rule->name);
	else if (!rule->reason || !*rule->reason)
		wrong(reader, rule->line, "a line `reason` in this record", rule->name);
	else if (!difference && !reader->has_harm)
		wrong(reader, rule->line,
			"a line `harm hang|corrupt|crash`: what it does to the kernel", rule->name);
	else if (difference && !names_state(rule))
		wrong(reader, rule->line,
			"a condition that names a state (FIELD=VALUE, FIELD&BIT or `after`): no "
			"whole call or errno is explained",
			rule->name);
}

static void open_record(struct reader *reader, char *rest)
{
	struct rules *rules = reader->rules;
	char *name = next_word(&rest);

	finish(reader);
	rules->list = tool_grow(rules->list, rules->count + 1, sizeof(*rules->list));
	reader->rule = &rules->list[rules->count++];
	*reader->rule = (struct rule){.name = tool_copy(name ? name : ""), .line = reader->line};
	reader->has_call = reader->has_what = reader->has_kernels = false;
	reader->has_harm = reader->broken = false;
	if (!name)
		wrong(reader, reader->line, "a name behind", opening[rules->kind]);
}

bool rules_read(struct rules *rules, enum rule_kind kind, const char *path)
{
	struct reader reader = {.rules = rules, .path = path};
	size_t size;
	char *text = (char *)embedded_or_file(path, &size);

	*rules = (struct rules){.kind = kind};
	if (!text)
		return false;
	for (char *line = text; line && *line;) {
		char *end = strchr(line, '\n'), *key;

		if (end)
			*end++ = '\0';
		reader.line++;
		key = *line == '#' ? NULL : next_word(&line);
		if (key && strcmp(key, opening[kind]) == 0)
			open_record(&reader, line);
		else if (key && !reader.rule)
			wrong(&reader, reader.line, opening[kind], key);
		else if (key && !reader.broken)
			read_line(&reader, key, line);
		line = end;
	}
	finish(&reader);
	free(text);
	return reader.wrong == 0;
}

void rules_free(struct rules *rules)
{
	for (size_t i = 0; i < rules->count; i++) {
		free(rules->list[i].name);
		free(rules->list[i].reason);
	}
	free(rules->list);
	*rules = (struct rules){0};
}

/* -- matching -- */

static bool holds(const struct prog *prog, const struct call *call, const struct rule_condition *c)
{
	const struct value *value = prog_value(prog, call, c->field);
	bool number = value->kind == VALUE_NUMBER || value->kind == VALUE_UNSET;
	uint64_t is = value->kind == VALUE_NUMBER ? value->number : 0;

	switch (c->test) {
	case 'h': return value->kind == VALUE_HANDLE;
	case 'm': return value->kind == VALUE_MEM;
	case 'u': return value->kind == VALUE_UNSET;
	case '=': return number && is == c->number;
	case '!': return !number || is != c->number;
	case '<': return number && is < c->number;
	case '>': return number && is > c->number;
	default: return number && (is & c->number);
	}
}

static bool matches(const struct prog *prog, uint32_t index, const struct rule_call *rule)
{
	const struct call *call = &prog->calls[index];

	if (call->row != rule->row)
		return false;
	for (unsigned i = 0; i < rule->count; i++)
		if (!holds(prog, call, &rule->conditions[i]))
			return false;
	return true;
}

/* mprotect changes what lies before a hole, and fails then. */
static bool had_effect(const struct prog *prog, const struct trace_entry *entry)
{
	return entry->result >= 0 ||
	       (entry->result == -ENOMEM && prog->calls[entry->call].row == CALL_ID_mprotect);
}

/* Whether each earlier call that the rule names stands before `index`; with an effect, if there is
 * a trace. */
static bool afters_match(
	const struct rule *rule, const struct prog *prog, uint32_t index, const struct trace *trace)
{
	for (unsigned a = 0; a < rule->after_count; a++) {
		bool found = false;

		for (uint32_t i = 0; !trace && !found && i < index; i++)
			found = matches(prog, i, &rule->after[a]);
		for (uint32_t e = 0; trace && !found && e < trace->entry_count; e++) {
			const struct trace_entry *entry = &trace->entries[e];

			found = entry->call < index && had_effect(prog, entry) &&
				matches(prog, entry->call, &rule->after[a]);
		}
		if (!found)
			return false;
	}
	return true;
}

struct rule *rules_hazard(struct rules *rules, const struct prog *prog, uint16_t kernel)
{
	for (size_t r = 0; r < rules->count; r++) {
		struct rule *rule = &rules->list[r];

		if (kernel < rule->first || kernel > rule->last)
			continue;
		for (uint32_t i = 0; i < prog->call_count; i++)
			if (matches(prog, i, &rule->call) && afters_match(rule, prog, i, NULL))
				return rule;
	}
	return NULL;
}

/* A warning comes when it comes, so the call may be any of the program. */
static bool call_matches(const struct rule *rule, const struct rule_subject *subject)
{
	uint32_t first = rule->what == DIFF_MACHINE ? 0 : subject->call;
	uint32_t end = rule->what == DIFF_MACHINE ? subject->prog->call_count : first + 1;

	for (uint32_t i = first; i < end; i++)
		if (matches(subject->prog, i, &rule->call) &&
			afters_match(rule, subject->prog, i, subject->here))
			return true;
	return false;
}

static bool what_matches(const struct rule *rule, const struct rule_subject *subject)
{
	if (rule->what != subject->what)
		return false;
	if (rule->what == DIFF_FIELD)
		return rule->field == subject->field;
	if (rule->what == DIFF_MACHINE)
		return subject->key && strncmp(subject->key, "kernel.", 7) == 0 &&
		       strstr(subject->key, rule->report);
	if (rule->what != DIFF_RESULT)
		return true;
	return rule->here == (subject->result_here < 0 ? subject->result_here : SUCCESS) &&
	       rule->there == (subject->result_there < 0 ? subject->result_there : SUCCESS);
}

struct rule *rules_explain(struct rules *rules, const struct rule_subject *subject)
{
	for (size_t r = 0; r < rules->count; r++) {
		struct rule *rule = &rules->list[r];

		if (subject->kernel >= rule->first && subject->kernel <= rule->last &&
			what_matches(rule, subject) && call_matches(rule, subject))
			return rule;
	}
	return NULL;
}
