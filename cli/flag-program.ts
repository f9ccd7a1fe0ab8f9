/**
 * The command line of flags: its commands, options and help. What they do is in flag-commands.ts,
 * imported when one runs.
 */
import type { Command } from "commander";
import { examples, outputOption, type ProgramSetup, targetOf } from "./command-setup.ts";
import type { Context } from "./context.ts";

/** Adds flags. */
export function addFlagCommands(program: Command, context: Context, setup: ProgramSetup): void {
  const group = program
    .command("flags")
    .alias("flag")
    .summary("Manage feature flags: sets of definitions in flagd's format.")
    .description(
      "Feature flags: sets of definitions in flagd's JSON format. Gateways evaluate them for " +
        "each client; those whose metadata says client: true reach clients, at once when they " +
        "change. Uses the control plane (--control).",
    );
  addReads(group, context, setup);
  addApply(group, context, setup);
  addTest(group, context, setup);
  const remove = group
    .command("delete")
    .summary("Delete a set.")
    .description("Deletes a set: clients fall back to what their code says.")
    .argument("<set>", "its name")
    .option("--etag <etag>", "only if it is unchanged since it was read", "")
    .option("--dry-run", "check, change nothing", false)
    .addHelpText("after", examples([["tidegatectl flags delete web --dry-run", "check first"]]))
    .action(async (set: string, { etag, dryRun: isDryRun }) => {
      const { deleteFlagSet } = await import("./flag-commands.ts");
      await deleteFlagSet(context, targetOf(remove, setup), set, { etag, isDryRun });
    });
}

function addReads(group: Command, context: Context, setup: ProgramSetup): void {
  const list = group
    .command("list")
    .summary("List the sets.")
    .description("Lists the sets: how many flags they have, how many of them are for clients.")
    .addOption(outputOption())
    .addHelpText("after", examples([["tidegatectl flags list", "what there is"]]))
    .action(async ({ output }) => {
      const { listFlagSets } = await import("./flag-commands.ts");
      await listFlagSets(context, targetOf(list, setup), output);
    });
  const get = group
    .command("get")
    .summary("Show one set.")
    .description("Shows the flags of a set, or its definition as it was applied.")
    .argument("<set>", "its name")
    .option("--definition", "the definition alone, to edit and apply", false)
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([
        ["tidegatectl flags get web", "its flags"],
        ["tidegatectl flags get web --definition > web.json", "to edit"],
      ]),
    )
    .action(async (set: string, { definition: isDefinition, output: format }) => {
      const { getFlagSet } = await import("./flag-commands.ts");
      await getFlagSet(context, targetOf(get, setup), set, { format, isDefinition });
    });
  const exposures = group
    .command("exposures")
    .summary("Show how often variants were used.")
    .description(
      "Shows how often applications asked for each variant, as clients told: the sum over the " +
        "gateways that are there, each since its start.",
    )
    .argument("[flag]", "only this flag", "")
    .addOption(outputOption())
    .addHelpText("after", examples([["tidegatectl flags exposures new-ui", "of one flag"]]))
    .action(async (flag: string, { output }) => {
      const { listExposures } = await import("./flag-commands.ts");
      await listExposures(context, targetOf(exposures, setup), flag, output);
    });
}

function addApply(group: Command, context: Context, setup: ProgramSetup): void {
  const apply = group
    .command("apply")
    .summary("Create a set, or replace its definition.")
    .description(
      "Stores a flagd definition as a set. One with faults is refused with the path of each. " +
        "--dry-run also says how many connections now open would get other values, by build.",
    )
    .argument("<set>", "its name, [a-z][a-z0-9-]{0,31}")
    .requiredOption("-f, --file <file>", "a flagd definition, JSON; - is stdin")
    .option("--etag <etag>", "only if it is unchanged since it was read", "")
    .option("--dry-run", "check and show whom it concerns, change nothing", false)
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([
        ["tidegatectl flags apply web -f web.json --dry-run", "whom it would concern"],
        ["tidegatectl flags apply web -f web.json", "store it"],
      ]),
    )
    .action(async (set: string, { file, etag, dryRun: isDryRun, output: format }) => {
      const { applyFlagSet } = await import("./flag-commands.ts");
      await applyFlagSet(context, targetOf(apply, setup), set, { file, etag, isDryRun, format });
    });
}

function addTest(group: Command, context: Context, setup: ProgramSetup): void {
  const test = group
    .command("test")
    .summary("Say what a given client would get, and why.")
    .description(
      "Evaluates flags for a client that you describe, as gateways do. With names of flags it " +
        "also says rule by rule how they came to it. The tenant is --tenant.",
    )
    .argument("[flags...]", "only these")
    .option("--user <user>", "the token's user; none: anonymous", "")
    .option("--attribute <key=value...>", "attributes of the token, read at the top level", [])
    .option("--client <name@version>", "its build", "")
    .option("--platform <platform>", "its build's platform", "")
    .option("--said <key=value...>", "attributes that it says itself, read as client.<key>", [])
    .option("--client-region <region>", "the region that it says", "")
    .option("--gateway <id>", "where it is connected", "")
    .option("--region <region>", "the gateway's region", "")
    .option("-f, --file <file>", "a definition instead of the stored one of --set; - is stdin", "")
    .option("--set <set>", "for --file: the name of its set", "")
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([
        ["tidegatectl flags test --user anna --client app@2.1.0", "all flags"],
        ["tidegatectl flags test new-ui --user anna --attribute plan=gold", "one, and why"],
        ["tidegatectl flags test --set web -f web.json --user anna", "before it is applied"],
      ]),
    )
    .action(async (keys: string[], options) => {
      const { testFlags } = await import("./flag-commands.ts");
      const { attribute: attributes, output, ...rest } = options;
      await testFlags(context, targetOf(test, setup), { ...rest, keys, attributes }, output);
    });
}
