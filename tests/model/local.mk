# SPDX-License-Identifier: MIT
#
# Random scripts of processes, played with fork() and with rfork(): see README.md.

check_PROGRAMS += %D%/random_scripts_agree
TESTS += %D%/random_scripts_agree
%C%_random_scripts_agree_SOURCES = %D%/random_scripts_agree.c \
	%D%/actor.c %D%/actor.h \
	%D%/generator.c %D%/generator.h \
	%D%/script.c %D%/script.h \
	%D%/stage.c %D%/stage.h \
	%D%/world.c %D%/world.h
%C%_random_scripts_agree_LDADD = $(rf_integration_ldadd)
EXTRA_DIST += %D%/README.md
