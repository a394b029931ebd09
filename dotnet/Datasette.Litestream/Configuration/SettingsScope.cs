namespace Datasette.Litestream.Configuration;

/// <summary>The settings that one mapping of the configuration can have. Every other key in it is an error.</summary>
internal sealed class SettingsScope
{
    private readonly List<Setting> _all = [];
    private readonly Dictionary<string, Setting> _byKey = new(StringComparer.Ordinal);

    public SettingsScope(params SettingsGroup[] groups)
    {
        Groups = groups;
        foreach (var group in groups)
        {
            foreach (var setting in group.Settings)
            {
                _all.Add(setting);
                foreach (var key in setting.OtherNames.Prepend(setting.Key))
                {
                    _byKey.Add(key, setting);
                }
            }
        }
    }

    public IReadOnlyList<SettingsGroup> Groups { get; }

    /// <summary>All settings, in the order of the table and of <c>litestream.yml</c>.</summary>
    public IReadOnlyList<Setting> All => _all;

    /// <summary>The keys of all settings, with their other names.</summary>
    public IReadOnlyCollection<string> Keys => _byKey.Keys;

    /// <exception cref="KeyNotFoundException">There is no such setting.</exception>
    public Setting this[string key] => _byKey[key];

    public bool Has(string key) => _byKey.ContainsKey(key);

    public bool IsSecret(string key) => _byKey.TryGetValue(key, out var setting) && setting.IsSecret;
}

/// <summary>Settings that belong together.</summary>
/// <param name="Title">The title in the documentation; empty if the settings apply to every type.</param>
/// <param name="Settings">The settings, in the order of the documentation.</param>
internal sealed record SettingsGroup(string Title, params Setting[] Settings);
