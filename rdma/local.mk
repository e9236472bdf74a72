# SPDX-License-Identifier: MIT
#
# rfork-pages, the helper of ghosts whose pages go by RDMA.  Dynamic, since providers of devices are loaded
# at run time; it is a program of its own so that librfork needs none of that.

if RDMA
pkglibexec_PROGRAMS += %D%/rfork-pages
%C%_rfork_pages_SOURCES = \
	%D%/pages.c %D%/pages.h \
	%D%/pages_accept.c \
	%D%/pages_hello.c \
	%D%/pages_listen.c \
	rfork/pages_protocol.h
%C%_rfork_pages_CPPFLAGS = $(AM_CPPFLAGS) $(VERBS_CFLAGS) $(RDMACM_CFLAGS)
%C%_rfork_pages_CFLAGS = $(SANITIZED_CFLAGS)
%C%_rfork_pages_LDADD = $(RDMACM_LIBS) $(VERBS_LIBS)
%C%_rfork_pages_LDFLAGS = -Wl,-z,now -Wl,-z,relro
endif
