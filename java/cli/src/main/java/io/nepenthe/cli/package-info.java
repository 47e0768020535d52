/**
 * The command line: one class a command, what they share ({@link io.nepenthe.cli.Run}), the result
 * file and the report. Start at {@link io.nepenthe.cli.Main}.
 */
package io.nepenthe.cli;
