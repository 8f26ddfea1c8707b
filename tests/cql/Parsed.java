import java.io.PrintStream;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

import org.apache.cassandra.cql3.CQLFragmentParser;
import org.apache.cassandra.cql3.CqlParser;

/**
 * What Cassandra's own parser makes of statements: reads texts that end with a NUL, writes a line for each: what it is in
 * few words, or nothing where the parser refuses it. No server runs. tests/cql/statements.py says how it is used.
 */
public class Parsed {
    public static void main(String[] arguments) throws Exception {
        String texts = Files.readString(Paths.get(arguments[0]));
        try (PrintStream out = new PrintStream(arguments[1], "UTF-8")) {
            for (String text : texts.split("\0")) {
                String line;
                try {
                    line = words(CQLFragmentParser.parseAnyUnhandled(CqlParser::query, text));
                } catch (Exception refused) {
                    line = "";
                }
                out.print(line + "\n");
            }
        }
        System.exit(0);
    }

    static String words(Object it) throws Exception {
        String kind = it.getClass().getName().replaceAll(".*statements\\.(schema\\.)?", "").replaceAll("Statement.*", "");
        String of = it.getClass().getSimpleName();
        String guard = flag(it, "ifNotExists") || flag(it, "ifExists") || flag(it, "ifTableExists") ? "? " : " ";
        switch (kind) {
            case "CreateTable":
                Object options = get(get(it, "attrs"), "properties");
                TreeSet<String> names = new TreeSet<>(((Map<String, ?>) options).keySet());
                if (!((Map<?, ?>) get(it, "clusteringOrder")).isEmpty()) names.add("clustering order");
                if (flag(it, "useCompactStorage")) names.add("compact storage");
                Object partition = get(it, "partitionKeyColumns");
                return "create table" + guard + get(it, "name") + " columns " + columns(it) + " partition " + list(partition)
                    + " clustering " + list(get(it, "clusteringColumns")) + " options " + names
                    + " id " + String.valueOf(((Map<?, ?>) options).get("id")).toLowerCase();
            case "CreateType":
                return "create type" + guard + get(it, "name") + " fields " + list(get(it, "fieldNames")) + " "
                    + types(get(it, "rawFieldTypes"));
            case "CreateIndex":
                Object name = get(it, "indexName");
                return "create index" + guard + (name == null || "null".equals("" + name) ? "-" : name) + " on "
                    + get(it, "tableName");
            case "CreateView":
                return "create view" + guard + get(it, "viewName") + " partition " + list(get(it, "partitionKeyColumns"))
                    + " clustering " + list(get(it, "clusteringColumns"));
            case "CreateFunction":
            case "CreateAggregate":
                String made = kind.substring(6).toLowerCase();
                return "create " + made + guard + (flag(it, "orReplace") ? "or replace " : "")
                    + get(it, kind.equals("CreateFunction") ? "name" : "aggregateName") + types(get(it, "rawArgumentTypes"));
            case "DropFunction":
            case "DropAggregate":
                return "drop " + kind.substring(4).toLowerCase() + guard + get(it, "name")
                    + (flag(it, "argumentsSpecified") ? types(get(it, "arguments")) : "");
            case "CreateTrigger":
                return "create trigger" + guard + get(it, "triggerName") + " on " + get(it, "tableName");
            case "DropTrigger":
                return "drop trigger" + guard + get(it, "triggerName") + " on " + get(it, "tableName");
            case "CreateKeyspace":
                return "create keyspace" + guard + get(it, "keyspaceName");
            case "AlterKeyspace":
                return "alter keyspace" + guard + get(it, "keyspaceName");
            case "DropKeyspace":
                return "drop keyspace" + guard + get(it, "keyspaceName");
            case "CreateRole":
                return "create role" + guard + get(get(it, "role"), "name");
            case "AlterRole":
                return "alter role" + guard + get(get(it, "role"), "name");
            case "DropRole":
                return "drop role" + guard + get(get(it, "role"), "name");
            case "DropTable":
            case "DropType":
            case "DropIndex":
            case "DropView":
                return "drop " + kind.substring(4).toLowerCase() + guard + get(it, "name");
            case "AlterView":
                return "alter view" + guard + get(it, "name");
            case "AlterTable":
                return "alter table" + guard + get(it, "name") + " " + alteration(it);
            case "AlterType":
                return "alter type" + guard + get(it, "name") + " " + field(it);
            case "Truncate":
                return "truncate " + get(it, "qualifiedName");
            case "Use":
                return "use " + get(it, "keyspace");
            case "Select":
                return "select " + get(it, "qualifiedName");
            case "Update":
            case "Delete":
                return write(it);
            case "Batch":
                StringBuilder all = new StringBuilder("batch " + ("" + get(it, "type")).toLowerCase() + using(it));
                for (Object member : (Collection<?>) get(it, "parsedStatements")) all.append("; ").append(write(member));
                return all.toString();
            case "GrantRole":
            case "GrantPermissions":
                return "grant " + get(get(it, "grantee"), "name");
            case "RevokeRole":
            case "RevokePermissions":
                return "revoke " + get(get(it, "grantee"), "name");
            case "ListRoles":
            case "ListUsers":
            case "ListPermissions":
                return "list";
            default:
                return "other " + kind + " " + of;
        }
    }

    static String alteration(Object it) throws Exception {
        String kind = ("" + get(it, "kind")).toLowerCase();
        switch (kind) {
            case "add_columns":
                return "add " + columns(it, "addedColumns");
            case "drop_columns":
                return "drop " + sorted(get(it, "droppedColumns")) + (get(it, "timestamp") == null ? "" : " t");
            case "rename_columns":
                return "rename " + new TreeMap<>(strings((Map<?, ?>) get(it, "renamedColumns")));
            case "alter_options":
                return "options " + new TreeSet<>(((Map<String, ?>) get(get(it, "attrs"), "properties")).keySet());
            case "alter_column":
                return "alter";
            case "mask_column":
                return "mask " + get(it, "maskedColumn");
            default:
                return "compact";
        }
    }

    static String field(Object it) throws Exception {
        switch (("" + get(it, "kind")).toLowerCase()) {
            case "add_field":
                return "add [" + get(it, "newFieldName") + " " + type(get(it, "newFieldType")) + "]";
            case "rename_fields":
                return "rename " + new TreeMap<>(strings((Map<?, ?>) get(it, "renamedFields")));
            default:
                return "alter";
        }
    }

    static String write(Object it) throws Exception {
        String of = it.getClass().getSimpleName();
        String verb = of.startsWith("ParsedInsert") ? "insert" : of.equals("ParsedUpdate") ? "update" : "delete";
        boolean conditional = flag(it, "ifNotExists") || flag(it, "ifExists") || !((Collection<?>) get(it, "conditions")).isEmpty();
        String changes = "";
        if (verb.equals("update")) {
            for (Object pair : (Collection<?>) get(it, "updates")) {
                Object update = get(pair, "right");
                String operation = update.getClass().getSimpleName();
                if (operation.matches("Addition|Substraction|Prepend")) {
                    String value = get(update, "value").getClass().getName().replaceAll(".*\\.", "");
                    boolean same = value.matches("(Sets|Maps|UserTypes)\\$Literal")
                        || operation.equals("Substraction") && value.matches("(Lists|Sets|Maps|UserTypes)\\$Literal|ArrayLiteral");
                    if (!same) changes += " <" + get(pair, "left") + ">";
                }
            }
        }
        return verb + " " + get(it, "qualifiedName") + (conditional ? " c" : "") + using(it) + changes;
    }

    static String using(Object it) throws Exception {
        Object attributes = get(it, "attrs");
        return (get(attributes, "timestamp") == null ? "" : " t") + (get(attributes, "timeToLive") == null ? "" : " l");
    }

    static String columns(Object it) throws Exception {
        TreeSet<String> columns = new TreeSet<>();
        Collection<String> statics = strings((Collection<?>) get(it, "staticColumns"));
        for (Map.Entry<?, ?> column : ((Map<?, ?>) get(it, "rawColumns")).entrySet()) {
            Object raw = column.getValue();
            if (raw.getClass().getName().contains("ColumnProperties")) raw = get(raw, "rawType");
            String name = "" + column.getKey();
            columns.add(name + " " + type(raw) + (statics.contains(name) ? " static" : ""));
        }
        return columns.toString();
    }

    static String columns(Object it, String field) throws Exception {
        TreeSet<String> columns = new TreeSet<>();
        for (Object column : (Collection<?>) get(it, field)) {
            Object raw = null;
            for (String type : new String[] {"type", "properties"}) if (raw == null) raw = maybe(column, type);
            if (raw != null && raw.getClass().getName().contains("ColumnProperties")) raw = get(raw, "rawType");
            columns.add(get(column, "name") + " " + type(raw) + (flag(column, "isStatic") ? " static" : ""));
        }
        return columns.toString();
    }

    static String types(Object raws) {
        List<String> types = new ArrayList<>();
        for (Object raw : (Collection<?>) raws) types.add(type(raw));
        return "(" + String.join(", ", types) + ")";
    }

    static String type(Object raw) {
        return ("" + raw).replace(" ", "").replaceAll("\\bvarchar\\b", "text");
    }

    static String sorted(Object items) throws Exception {
        return new TreeSet<>(strings((Collection<?>) items)).toString();
    }

    static String list(Object items) {
        return items == null ? "[]" : strings((Collection<?>) items).toString();
    }

    static Collection<String> strings(Collection<?> items) {
        List<String> strings = new ArrayList<>();
        for (Object item : items) strings.add("" + item);
        return strings;
    }

    static Map<String, String> strings(Map<?, ?> items) {
        Map<String, String> strings = new TreeMap<>();
        items.forEach((key, value) -> strings.put("" + key, "" + value));
        return strings;
    }

    static boolean flag(Object it, String name) throws Exception {
        return Boolean.TRUE.equals(maybe(it, name));
    }

    static Object get(Object it, String name) throws Exception {
        for (Class<?> type = it.getClass(); type != null; type = type.getSuperclass()) {
            for (Field field : type.getDeclaredFields()) {
                if (field.getName().equals(name)) {
                    field.setAccessible(true);
                    return field.get(it);
                }
            }
        }
        throw new NoSuchFieldError(it.getClass() + " has no " + name);
    }

    static Object maybe(Object it, String name) throws Exception {
        try {
            return get(it, name);
        } catch (NoSuchFieldError absent) {
            return null;
        }
    }
}
