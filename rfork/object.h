/* SPDX-License-Identifier: MIT */
/*
 * What descriptors lead to that has no name outside the process, and what it holds
 * (doc/image-format.txt, 29): the same for the process that is captured, the image reader, and
 * whoever makes it again.
 */
#ifndef RF_OBJECT_H
#define RF_OBJECT_H

#include "rfork/image_format.h"

struct rf_object_state {
	struct rf_image_object image;
	union {
		struct rf_object_event event;
		struct rf_object_timer timer;
		struct rf_object_signals signals;
		struct rf_object_inotify inotify;
		struct rf_object_process process;
		struct {
			struct rf_object_content content;
			char *name; /* of content.name_bytes, and a zero */
		};
	};
	struct rf_image_watched *watched; /* of kind INOTIFY, and the paths behind them */
	uint32_t watched_bytes;		  /* of both */
	struct rf_image_watch *watches;	  /* of kind POLL */
	uint32_t watch_count;
};

#endif
