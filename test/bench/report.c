/* SPDX-License-Identifier: MIT */
/* What came of a run: named numbers, printed as a line for people or as one JSON object. */
#include "bench.h"

#include <stdarg.h>
#include <string.h>

enum { ITEMS_MAX = 64, NAME_MAX_LEN = 48 };

static struct item {
	char name[NAME_MAX_LEN];
	const char *unit;
	double value;
} items[ITEMS_MAX];
static size_t item_count;

void report(double value, const char *unit, const char *name, ...)
{
	struct item *item = &items[item_count];
	va_list args;

	if (item_count == ITEMS_MAX)
		die("too much to report");
	item_count++;
	va_start(args, name);
	vsnprintf(item->name, sizeof(item->name), name, args);
	va_end(args);
	item->unit = unit;
	item->value = value;
}

void process_mark_all(void)
{
	for (size_t i = 0; i < options.process_count; i++)
		options.processes[i].cpu_ns = process_cpu_ns(&options.processes[i]);
}

void process_stop_all(void)
{
	for (size_t i = 0; i < options.process_count; i++)
		options.processes[i].cpu_ns =
			process_cpu_ns(&options.processes[i]) - options.processes[i].cpu_ns;
}

void report_cpu(double count, const char *of)
{
	double all_us = 0;

	for (size_t i = 0; i < options.process_count; i++) {
		const struct process *process = &options.processes[i];
		double us = (double)process->cpu_ns / 1000 / (count > 0 ? count : 1);

		report(us, "us", "cpu_%s_%s", of, process->name);
		all_us += us;
	}
	if (options.process_count > 0)
		report(all_us, "us", "cpu_%s", of);
}

void report_latencies(const struct histogram *histogram)
{
	report(histogram_us(histogram, 0.5), "us", "p50");
	report(histogram_us(histogram, 0.99), "us", "p99");
	report(histogram_us(histogram, 0.999), "us", "p99_9");
}

static void print_json(const char *mode)
{
	printf("{\"mode\":\"%s\"", mode);
	for (size_t i = 0; i < item_count; i++)
		printf(",\"%s%s%s\":%.10g", items[i].name, items[i].unit[0] ? "_" : "",
		       items[i].unit, items[i].value);
	puts("}");
}

void report_print(const char *mode)
{
	if (options.json) {
		print_json(mode);
		return;
	}
	printf("%s:", mode);
	for (size_t i = 0; i < item_count; i++)
		printf("%s %s %.*f%s%s", i > 0 ? "," : "", items[i].name,
		       items[i].value == (double)(uint64_t)items[i].value ? 0 : 2, items[i].value,
		       items[i].unit[0] ? " " : "", items[i].unit);
	puts("");
}
