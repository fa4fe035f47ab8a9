/* SPDX-License-Identifier: MIT */
/* Clocks, what processes have used, and spans of time. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) != 0)
		die("a process that is measured has ended");
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t process_cpu_ns(const struct process *process)
{
	clockid_t clock;

	if (clock_getcpuclockid(process->pid, &clock) != 0)
		die("%s: there is no process %d", process->name, (int)process->pid);
	return clock_ns(clock);
}

/* What its file of /proc says of this. */
static uint64_t process_kilobytes(const struct process *process, const char *name, const char *key)
{
	char path[64], line[256];
	uint64_t kilobytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)process->pid, name);
	file = fopen(path, "r");
	if (!file)
		die("%s: its memory cannot be read", process->name);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0)
			kilobytes = strtoull(line + strlen(key), NULL, 10);
	fclose(file);
	return kilobytes;
}

uint64_t process_memory(const struct process *process)
{
	return process_kilobytes(process, "smaps_rollup", "Pss:") * 1024;
}

uint64_t process_peak(const struct process *process)
{
	return process_kilobytes(process, "status", "VmHWM:") * 1024;
}

uint64_t process_forget_peak(const struct process *process)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int)process->pid);
	file = fopen(path, "w");
	if (!file || fputs("5\n", file) < 0 || fclose(file) != 0)
		die("%s: the most of its memory cannot be forgotten", process->name);
	return process_peak(process);
}

/* --- Latencies --------------------------------------------------------------------------------------- */

/* Spans below HISTOGRAM_STEPS have a place each; above, every doubling has HISTOGRAM_STEPS / 2. */
static size_t histogram_place(uint64_t ns)
{
	unsigned shift = 0;

	while (ns >> shift >= HISTOGRAM_STEPS)
		shift++;
	return shift * (HISTOGRAM_STEPS / 2) + (size_t)(ns >> shift);
}

static double histogram_span(size_t place)
{
	size_t shift = place < HISTOGRAM_STEPS ? 0 : place / (HISTOGRAM_STEPS / 2) - 1;

	return (double)(place - shift * (HISTOGRAM_STEPS / 2)) * (double)(UINT64_C(1) << shift);
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	histogram->counts[histogram_place(ns)]++;
	histogram->total++;
}

double histogram_us(const struct histogram *histogram, double part)
{
	double wanted = part * (double)histogram->total;
	uint64_t seen = 0;

	for (size_t i = 0; i < HISTOGRAM_SIZE; i++) {
		seen += histogram->counts[i];
		if (seen > 0 && (double)seen >= wanted)
			return histogram_span(i) / 1000;
	}
	return 0;
}
