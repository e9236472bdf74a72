# SPDX-License-Identifier: MIT
#
# The examples: built with everything else, never installed.  The renderer needs libpng, the
# interpreter Lua.

examples_programs = \
	%D%/01-hello \
	%D%/02-memory \
	%D%/03-errors \
	%D%/04-map \
	%D%/05-pool \
	%D%/06-screen \
	%D%/07-walk \
	%D%/08-survive

noinst_PROGRAMS += $(examples_programs)

%C%_01_hello_SOURCES = %D%/01-hello.c
%C%_01_hello_LDADD = librfork.la
%C%_02_memory_SOURCES = %D%/02-memory.c
%C%_02_memory_LDADD = librfork.la
%C%_03_errors_SOURCES = %D%/03-errors.c
%C%_03_errors_LDADD = librfork.la
%C%_04_map_SOURCES = %D%/04-map.c
%C%_04_map_LDADD = librfork.la
%C%_05_pool_SOURCES = %D%/05-pool.c
%C%_05_pool_LDADD = librfork.la
%C%_06_screen_SOURCES = %D%/06-screen.c
%C%_06_screen_LDADD = librfork.la
%C%_07_walk_SOURCES = %D%/07-walk.c
%C%_07_walk_LDADD = librfork.la
%C%_08_survive_SOURCES = %D%/08-survive.c
%C%_08_survive_LDADD = librfork.la

if HAVE_LUA
noinst_PROGRAMS += %D%/09-interpreter
endif
%C%_09_interpreter_SOURCES = %D%/09-interpreter.c
%C%_09_interpreter_CPPFLAGS = $(AM_CPPFLAGS) $(LUA_CFLAGS)
%C%_09_interpreter_LDADD = librfork.la $(LUA_LIBS)

if HAVE_PNG
noinst_PROGRAMS += %D%/render
endif
%C%_render_SOURCES = \
	%D%/boxes.c \
	%D%/clones.c %D%/clones.h \
	%D%/picture.c %D%/picture.h \
	%D%/render.c \
	%D%/scene.c %D%/scene.h \
	%D%/trace.c %D%/trace.h \
	%D%/vector.h
%C%_render_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPNG_CFLAGS)
%C%_render_LDADD = librfork.la $(LIBPNG_LIBS) -lm

EXTRA_DIST += \
	%D%/README.md \
	%D%/scenes/FORMAT.md \
	%D%/scenes/showpiece.scene \
	%D%/scenes/small.scene
